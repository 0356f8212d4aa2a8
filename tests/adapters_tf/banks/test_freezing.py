"""What trains and what doesn't, over the whole variable tree."""

import pytest

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    HypernetworkConfig,
    LoraConfig,
    TaskModel,
    freeze_backbone,
    read_methods,
)

pytestmark = pytest.mark.slow

CONFIG = BottleneckConfig(reduction_factor=8)


@pytest.mark.parametrize("train_layer_norms", [False, True])
def test_exactly_the_adapters_and_norms_train(make_backbone, train_layer_norms):
    model = TaskModel(make_backbone(), ("a", "b"), CONFIG, train_layer_norms=train_layer_norms)
    adapters = {
        f"{path}.adapter.{name}"
        for path, bank in model.banks.items()
        for name in {**bank.banks, **bank.shared}
    }
    norms = {
        *(f"encoder.block_._{b}.layer_._{s}.layer_norm.weight" for b in (0, 1) for s in (0, 1)),
        *(f"decoder.block_._{b}.layer_._{s}.layer_norm.weight" for b in (0, 1) for s in (0, 1, 2)),
        "encoder.final_layer_norm.weight",
        "decoder.final_layer_norm.weight",
    }
    expected = adapters | norms if train_layer_norms else adapters
    assert set(model.trainable_by_path()) == expected
    frozen = {id(variable) for variable in model.non_trainable_variables}
    assert len(frozen) + len(expected) == len(model.variables)


def test_adapters_inside_a_layer_with_weights_of_its_own_train(make_backbone):
    """The first block's attention owns the position biases: freezing those froze all inside."""
    model = TaskModel(make_backbone(), ("a", "b"), LoraConfig(targets=("q", "o")))
    first = model.banks["encoder.block.0.layer.0.SelfAttention.q"]
    trained = {id(variable) for variable in model.trainable_variables}
    assert {id(bank) for bank in first.banks.values()} <= trained
    assert len(trained) == 2 * len(model.banks) == 2 * 2 * (2 + 4)
    assert not any("relative_attention_bias" in path for path in model.trainable_by_path())


def test_no_adapters_trains_everything(make_backbone):
    model = TaskModel(make_backbone(), ("a",), None)
    assert len(model.trainable_by_path()) == len(model.variables)
    assert "shared.shared.embeddings" in model.trainable_by_path()


def test_nothing_to_train_is_an_error(make_backbone):
    with pytest.raises(ConfigurationError, match="nothing is left to train"):
        freeze_backbone(make_backbone(), [], train_layer_norms=False)


def paths(model):
    return set(model.trainable_by_path())


@pytest.mark.parametrize(
    ("part", "of_it"),
    [
        ("encoder", lambda path: path.startswith("encoder.")),
        ("embeddings", lambda path: path == "shared.shared.embeddings"),
        ("layer_norms", lambda path: path.endswith("layer_norm.weight")),
        ("position_biases", lambda path: "relative_attention_bias" in path),
    ],
)
def test_parts_of_a_whole_model_are_frozen_by_name(make_backbone, part, of_it):
    whole = paths(TaskModel(make_backbone(), ("a",), None))
    model = TaskModel(make_backbone(), ("a",), None, freeze=[part])
    assert paths(model) == {path for path in whole if not of_it(path)} != whole
    assert len(model.variables) == len(whole)


def test_the_projection_onto_words_is_frozen_by_name(make_backbone):
    """Of T5 1.1, which has one of its own; the first T5 has its embeddings for one."""
    untied = {"tie_word_embeddings": False}
    whole = paths(TaskModel(make_backbone(**untied), ("a",), None))
    model = TaskModel(make_backbone(**untied), ("a",), None, freeze=["lm_head"])
    assert whole - paths(model) == {"lm_head.kernel"}
    with pytest.raises(ConfigurationError, match="'lm_head': nothing of it trains"):
        TaskModel(make_backbone(), ("a",), None, freeze=["lm_head"])


def test_adapters_of_a_stack_are_frozen_with_it(make_backbone):
    model = TaskModel(make_backbone(), ("a", "b"), CONFIG, freeze=["encoder"])
    assert paths(model) and all(path.startswith("decoder.") for path in paths(model))


def test_several_parts_at_once(make_backbone):
    model = TaskModel(make_backbone(), ("a",), None, freeze=["encoder", "embeddings"])
    assert {path.partition(".")[0] for path in paths(model)} == {"decoder"}


def test_embeddings_of_tasks_are_frozen_by_name(make_backbone):
    config = HypernetworkConfig(reduction_factor=8)
    trained = paths(TaskModel(make_backbone(), ("a", "b"), config))
    model = TaskModel(make_backbone(), ("a", "b"), config, freeze=["task_embeddings"])
    assert trained - paths(model) == {"task_embeddings.hypernetwork.embedding"}


@pytest.mark.parametrize("method", ["hypernetwork", "conditional_layer_norm"])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_what_all_tasks_share_is_frozen_with_its_stack(make_backbone, method, part):
    model = TaskModel(make_backbone(), ("a", "b"), read_methods(method, {}), freeze=[part])
    for _ in range(2):  # Keras looks for weights whenever it is asked
        assert not any(path.startswith(f"{part}.") for path in paths(model))


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (["encodr"], "model.freeze 'encodr' is unknown; did you mean 'encoder'"),
        (["embeddings"], "model.freeze 'embeddings': nothing of it trains"),
        (["encoder", "decoder"], "nothing is left to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(make_backbone, freeze, message):
    with pytest.raises(ConfigurationError, match=message):
        TaskModel(make_backbone(), ("a", "b"), CONFIG, freeze=freeze)
