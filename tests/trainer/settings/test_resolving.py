"""What the user left to the dataset, filled in."""

import dataclasses
from pathlib import Path

import pytest

from adapters_tf import ConfigurationError
from adapters_tf.runs.sections import AdapterConfig, DataConfig, ModelConfig
from prep import Manifest, PackingEntry, SplitEntry, TaskEntry, UsageError, VocabularyEntry
from trainer.settings.config import RunConfig
from trainer.settings.resolving import packed_lengths, resolve, trained_tasks


def split_of(packing=None):
    return SplitEntry(1, (), 0, 0, 9, 3, (), 0, {}, packing=packing)


def manifest_of(**splits):
    tasks = {
        name: TaskEntry(name, "generation", (), (), ("bleu",), 4, 1, own)
        for name, own in splits.items()
    }
    return Manifest(1, VocabularyEntry("spiece.model", "abc", 320, 100), 128, 16, None, 8, tasks)


@pytest.fixture
def manifest():
    """Three tasks, one of which is for evaluation only."""
    train, test = {"train": split_of()}, {"test": split_of()}
    return manifest_of(rte=train, xquad=test, cola=train)


def config_of(**changes):
    return RunConfig(dataset="data", run="runs/mine", **changes)


def test_nothing_is_left_open(manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = resolve(config_of(seed=3), manifest)
    assert (settings.dataset, settings.run) == (f"{tmp_path}/data", f"{tmp_path}/runs/mine")
    assert (settings.tasks, settings.seed) == (("rte", "cola"), 3)
    assert (settings.data.input_length, settings.data.target_length) == (16, 8)
    assert (settings.model.vocabulary_size, settings.vocabulary_sha256) == (320, "abc")
    # Resolved again from anywhere, it stays what it is.
    monkeypatch.chdir("/")
    again = resolve(RunConfig(settings.dataset, settings.run, seed=3), manifest)
    assert again == settings


def test_lengths_are_those_of_the_longest_example_of_any_split(manifest):
    def lengths(**splits):
        data = resolve(config_of(), manifest_of(rte=splits)).data
        return data.input_length, data.target_length

    def longest(inputs, targets):
        return dataclasses.replace(split_of(), longest_input=inputs, longest_target=targets)

    assert lengths(train=longest(44, 8)) == (48, 8)
    assert lengths(train=longest(44, 2), test=longest(57, 9)) == (64, 16)
    assert lengths(train=longest(127, 15)) == (128, 16)  # what the build cuts to
    assert lengths(train=longest(0, 0)) == (128, 16)  # an early build did not count


def test_what_the_user_says_stays(manifest):
    data = DataConfig(batch_size=4, input_length=64, routing="example")
    settings = resolve(config_of(tasks="cola, rte", data=data), manifest)
    assert settings.tasks == ("cola", "rte")  # the order of the bank's rows
    assert (settings.data.input_length, settings.data.target_length) == (64, 8)
    assert (settings.data.batch_size, settings.data.routing) == (4, "example")


@pytest.mark.parametrize("tasks", ["rte,xquad", ["rte", "xquad"]])
def test_a_task_without_the_training_split_is_refused_only_if_asked_for(manifest, tasks):
    with pytest.raises(UsageError, match="task 'xquad' has no split 'train'"):
        resolve(config_of(tasks=tasks), manifest)


def test_where_no_task_can_be_trained_on_one_is_named(manifest):
    assert trained_tasks(manifest, "train") == ["rte", "cola"]
    assert trained_tasks(manifest, "dev") == ["rte", "xquad", "cola"]
    with pytest.raises(UsageError, match="task 'rte' has no split 'dev'"):
        resolve(config_of(data=DataConfig(train_split="dev")), manifest)


def test_an_unknown_task_names_the_nearest(manifest):
    with pytest.raises(UsageError, match="no task 'coal'; did you mean 'cola'"):
        resolve(config_of(tasks="coal"), manifest)


def test_packed_rows_have_the_length_of_the_fullest():
    one, other = (PackingEntry(length, 2 * length, 0) for length in (64, 96))
    manifest = manifest_of(rte={"train": split_of(one)}, cola={"train": split_of(other)})
    assert packed_lengths(manifest, ("rte",), "train") == (64, 128)
    assert packed_lengths(manifest, ("rte", "cola"), "train") == (96, 192)
    settings = resolve(config_of(), manifest)
    assert (settings.data.input_length, settings.data.target_length) == (96, 192)
    assert packed_lengths(manifest_of(rte={"train": split_of()}), ("rte",), "train") is None


def test_a_backbone_that_is_a_folder_is_named_by_its_place(manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t5-mine").mkdir()

    def backbone(name):
        return resolve(config_of(model=ModelConfig(name)), manifest).model.backbone

    assert backbone("t5-mine") == str(tmp_path / "t5-mine")
    assert backbone("google-t5/t5-small") == "google-t5/t5-small"


def test_places_of_earlier_adapters_are_absolute(manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def resolved(**changes):
        return resolve(config_of(adapters=AdapterConfig(**changes)), manifest).adapters

    assert resolved().start_from == resolved().nearest_by == ""
    assert resolved(start_from="runs/old").start_from == f"{tmp_path}/runs/old"
    starts = resolved(start_from={"rte": "old/rte"}, nearest_by="tasks.npz")
    assert starts.start_from == {"rte": f"{tmp_path}/old/rte"}
    assert starts.nearest_by == f"{tmp_path}/tasks.npz"
    fused = resolved(method="fusion", settings={"fusion": {"of": ["a", "b/c"], "tasks": ["x"]}})
    assert fused.settings["fusion"] == {"of": [f"{tmp_path}/a", f"{tmp_path}/b/c"], "tasks": ["x"]}
    stacked = resolved(stack_on={"of": "runs/old", "task": "mnli"})
    assert stacked.stack_on == {"of": f"{tmp_path}/runs/old", "task": "mnli"}


def test_a_stack_of_nothing_is_refused(manifest):
    adapters = AdapterConfig(method="none", stack_on={"of": "runs/old"})
    with pytest.raises(ConfigurationError, match="needs adapters to put on top"):
        resolve(config_of(adapters=adapters), manifest)


def test_a_bucket_stays_an_address(manifest):
    settings = resolve(RunConfig("gs://bucket/data", "run"), manifest)
    assert settings.dataset == "gs://bucket/data"


@pytest.mark.parametrize("address", ["gs://bucket/x", "s3://bucket/x", "gs:/bucket", "file:///x"])
def test_an_address_is_refused_where_a_folder_of_this_machine_is_meant(manifest, address):
    refused = [
        {"model": ModelConfig(address)},
        {"adapters": AdapterConfig(start_from=address)},
        {"adapters": AdapterConfig(start_from={"rte": address})},
        {"adapters": AdapterConfig(start_from="old", nearest_by=address)},
        {"adapters": AdapterConfig(stack_on={"of": address})},
        {"adapters": AdapterConfig("fusion", {"fusion": {"of": ["a", address]}})},
    ]
    for changes in refused:
        with pytest.raises(ConfigurationError, match=f"{address}' is an address; expected a fol"):
            resolve(config_of(**changes), manifest)
    with pytest.raises(ConfigurationError, match=r"--run .* is an address"):
        resolve(RunConfig("data", address), manifest)
    if address != "gs://bucket/x":
        with pytest.raises(ConfigurationError, match=r"--dataset .* cannot be read; expected"):
            resolve(RunConfig(address, "run"), manifest)


def test_the_home_folder_has_its_short_name(manifest, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = resolve(RunConfig("~/data", "~/run"), manifest)
    assert (settings.dataset, settings.run) == (f"{tmp_path}/data", f"{tmp_path}/run")
    with pytest.raises(ConfigurationError, match="--run '~nobody-here/run': there is no such user"):
        resolve(RunConfig("data", "~nobody-here/run"), manifest)
