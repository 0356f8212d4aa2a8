"""The trained adapters a run is built on, kept in its own folder."""

import pytest

from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.sources import (
    hand_on_sources,
    keep_sources,
    list_sources,
    use_kept_sources,
    with_sources,
)

STACKED = AdapterConfig("bottleneck", stack_on={"of": "old", "task": "mnli"})


def fusion_of(*of, **more):
    return AdapterConfig(
        "lora,fusion", {"fusion": {"of": of[0] if len(of) == 1 else list(of)} | more}
    )


@pytest.fixture
def earlier(tmp_path):
    """A run folder that has three adapters."""
    for task in ("mnli", "qnli", "stsb"):
        folder = tmp_path / "earlier" / "adapters" / task
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text(f'{{"task": "{task}"}}')
    return tmp_path / "earlier"


def kept(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))


def test_settings_that_name_trained_adapters():
    assert list_sources(AdapterConfig("bottleneck")) == {}
    assert list_sources(fusion_of("a")) == {"fusion": {"of": "a"}}
    assert list_sources(STACKED) == {"stack_on": {"of": "old", "task": "mnli"}}
    # Settings of a method that is not used name nothing.
    assert list_sources(AdapterConfig("lora", {"fusion": {"of": "a"}})) == {}


def test_places_are_changed_and_nothing_else():
    moved = with_sources(fusion_of("a", tasks=["x"]), {"fusion": "b"})
    assert moved == fusion_of("b", tasks=["x"])
    assert with_sources(STACKED, {"stack_on": "new"}).stack_on == {"of": "new", "task": "mnli"}
    assert with_sources(STACKED, {}) == STACKED


def test_what_is_kept_is_read_instead_of_the_original(earlier, tmp_path):
    run = tmp_path / "run"
    adapters = fusion_of(str(earlier))
    assert use_kept_sources(adapters, None) == use_kept_sources(adapters, run) == adapters
    keep_sources(adapters, run)
    assert use_kept_sources(adapters, run) == fusion_of(str(run / "frozen" / "fusion"))


def test_the_adapters_that_were_asked_for_are_copied(earlier, tmp_path):
    everything, some, one = (tmp_path / name for name in ("all", "some", "one"))
    keep_sources(fusion_of(str(earlier)), everything)
    keep_sources(fusion_of(str(earlier), tasks=["mnli", "stsb"]), some)
    keep_sources(AdapterConfig("lora", stack_on={"of": str(earlier), "task": "qnli"}), one)
    names = {"mnli", "qnli", "stsb"}
    assert kept(everything) == [
        f"frozen/fusion/{name}/adapter_config.json" for name in sorted(names)
    ]
    assert kept(some) == [f"frozen/fusion/{name}/adapter_config.json" for name in ("mnli", "stsb")]
    assert kept(one) == ["frozen/stack_on/qnli/adapter_config.json"]


def test_what_is_kept_is_kept_once(earlier, tmp_path):
    """A run that goes on has the adapters it began with, whatever became of the original."""
    run = tmp_path / "run"
    keep_sources(fusion_of(str(earlier)), run)
    before = kept(run)
    (earlier / "adapters" / "mnli" / "adapter_config.json").unlink()
    keep_sources(fusion_of(str(earlier)), run)
    assert kept(run) == before


def test_several_folders_are_gathered(earlier, tmp_path):
    single = tmp_path / "single"
    single.mkdir()
    (single / "adapter_config.json").write_text("{}")
    keep_sources(fusion_of(str(earlier), str(single)), tmp_path / "run")
    assert len(kept(tmp_path / "run")) == 4


def test_a_run_made_of_another_has_its_sources(earlier, tmp_path):
    run, edited = tmp_path / "run", tmp_path / "edited"
    edited.mkdir()
    hand_on_sources(run, edited)  # nothing to hand on
    assert kept(edited) == []
    keep_sources(fusion_of(str(earlier)), run)
    hand_on_sources(run, edited)
    assert kept(edited) == kept(run)


@pytest.mark.parametrize(
    ("adapters", "message"),
    [
        (AdapterConfig("none", stack_on={"of": "a"}), "needs adapters to put on top"),
        (AdapterConfig("lora", stack_on={"tsk": "a"}), "has no setting 'tsk'; did you mean 'task'"),
    ],
)
def test_stacks_that_cannot_be(adapters, message):
    with pytest.raises(ConfigurationError, match=message):
        list_sources(adapters)


def test_a_folder_without_adapters_keeps_nothing(tmp_path):
    with pytest.raises(WeightsError, match="holds no trained adapters"):
        keep_sources(fusion_of(str(tmp_path / "nowhere")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
