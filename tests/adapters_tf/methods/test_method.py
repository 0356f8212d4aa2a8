"""What a method knows of itself, and the rest of the package asks it."""

import dataclasses

import pytest

from adapters_tf import METHODS, PrefixConfig, PromptConfig
from adapters_tf.methods import method_class, split_methods, training_only_fields
from adapters_tf.methods.method import AdapterMethod, training_only
from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.sources import list_sources


@dataclasses.dataclass(frozen=True)
class Later(AdapterMethod):
    """A method whose field `tasks` decides what it computes, unlike a fusion's."""

    tasks: int = 1
    dropout: float = training_only(0.0)

    def inject(self, backbone, task_names, seed):
        return {}


def test_a_field_is_ignored_by_declaration_and_not_by_its_name():
    assert Later(tasks=2).meaning() == {"tasks": 2} != Later(tasks=1).meaning()
    assert Later(dropout=0.1).meaning() == Later().meaning()
    assert "tasks" in training_only_fields(METHODS["fusion"])


def test_what_says_how_a_method_trains():
    declared = {name: sorted(training_only_fields(kind)) for name, kind in METHODS.items()}
    assert {name: fields for name, fields in declared.items() if fields} == {
        "bottleneck": ["dropout"],
        "lora": ["dropout"],
        "hypernetwork": ["task_embeddings"],
        "conditional_layer_norm": ["task_embeddings"],
        "prompt": ["initialization"],
        "fusion": ["dropout", "of", "regularization", "tasks"],
    }


@pytest.mark.parametrize(
    ("method", "word"),
    [
        (PromptConfig(), "prompt"),
        (PrefixConfig(positions="before"), "prefixes"),
        (PrefixConfig(positions="before", placement=("decoder",)), "prefixes"),
        (PrefixConfig(positions="before", placement=("cross",)), ""),
        (PrefixConfig(), ""),
        (Later(), ""),
    ],
)
def test_who_cannot_read_packed_rows_says_why(method, word):
    problem = method.packed_rows_problem()
    assert (word in problem) if word else (problem == "")


def test_methods_that_are_built_on_trained_adapters_name_their_sources():
    built = [name for name, kind in METHODS.items() if kind.is_built_on_trained]
    assert built == ["fusion"]
    adapters = AdapterConfig("fusion", {"fusion": {"of": "runs/a"}}, stack_on={"of": "runs/b"})
    assert list_sources(adapters) == {"fusion": {"of": "runs/a"}, "stack_on": {"of": "runs/b"}}
    assert list_sources(AdapterConfig("lora")) == {}


def test_names_are_split_and_variants_have_the_class_of_their_method():
    assert split_methods("none") == []
    assert split_methods("lora , prompt") == ["lora", "prompt"]
    assert method_class("houlsby") is METHODS["bottleneck"]
    with pytest.raises(ValueError, match="'HOULSBI' is unknown; did you mean 'houlsby'"):
        method_class("HOULSBI")
