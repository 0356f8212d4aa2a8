"""Settings travel in one form, and config.yaml holds all of it."""

import dataclasses

import pytest
import yaml

from adapters_tf import WeightsError
from adapters_tf.runs.config import config_text, read_config
from adapters_tf.runs.sections import AdapterConfig, DataConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedOptimizer, ResolvedRun, parse_settings

RUN = ResolvedRun(
    dataset="/data/glue",
    run="/runs/glue",
    tasks=("rte", "cola"),
    seed=3,
    model=ResolvedModel("t5-tiny", {"dropout_rate": 0.0}, vocabulary_size=512),
    adapters=AdapterConfig(
        "lora,prompt", {"lora": {"rank": 2, "targets": ["q", "k"]}}, start_from={"rte": "/a"}
    ),
    data=DataConfig(batch_size=8, input_length=24, target_length=5),
    optimizer=ResolvedOptimizer(schedule="cosine"),
    vocabulary_sha256="ab",
)


def write(folder, settings=RUN, **more):
    (folder / "config.yaml").write_text(config_text(settings, more), encoding="utf-8")
    return folder


def edited(folder, change):
    file = write(folder) / "config.yaml"
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(tree)
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder


def test_what_is_written_is_read_back(tmp_path):
    assert read_config(write(tmp_path)) == RUN
    assert read_config(write(tmp_path, commit="abc", versions={"python": "3"})) == RUN
    of = dataclasses.replace(RUN, bank_of="/runs/other")
    assert read_config(write(tmp_path, of)) == of
    assert "bank_of" not in RUN.as_dict() and of.as_dict()["bank_of"] == "/runs/other"


def test_nothing_of_it_can_be_changed():
    for part, name in ((RUN, "seed"), (RUN.model, "backbone"), (RUN.adapters, "method")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, name, "other")


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    def as_it_was(tree):
        tree["optimizer"]["decay"] = tree["optimizer"].pop("schedule")
        for added_later in ("start_from", "nearest_by", "stack_on"):
            del tree["adapters"][added_later]
        del tree["distribution"], tree["data"]["routing"], tree["model"]["dropout"]

    read = read_config(edited(tmp_path, as_it_was))
    start_less = dataclasses.replace(RUN.adapters, start_from="")
    model = dataclasses.replace(RUN.model, dropout="per_unit")
    assert read == dataclasses.replace(RUN, adapters=start_less, model=model)
    assert read.optimizer.schedule == "cosine" and read.data.routing == "batch"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["data"].update(bach_size=1), "data.bach_size.* mean 'batch_size'"),
        (lambda tree: tree.update(sead=1), "the setting sead.* mean 'seed'"),
        (lambda tree: tree.pop("tasks"), "is not whole: it lacks tasks"),
        (lambda tree: tree.update(tasks=[]), "expected one or more"),
        (lambda tree: tree.update(tasks=["a", "b", "a"]), "each once"),
        (lambda tree: tree["model"].pop("backbone"), "it lacks model.backbone"),
        (lambda tree: tree.pop("training"), "it lacks training.precision"),
        (lambda tree: tree["optimizer"].update(decay="linear"), "and its new name"),
        (lambda tree: tree["adapters"].pop("settings"), "it lacks adapters.settings"),
        (lambda tree: tree.update(adapters="lora"), "does not describe a run"),
        (lambda tree: tree.update(dataset=None), "dataset is None, expected str"),
        (lambda tree: tree.update(dataset={}), r"dataset is \{\}, expected str"),
        (lambda tree: tree.update(dataset={"a": 1}), "dataset is .*, expected str"),
        (lambda tree: tree.update(seed="three"), "seed is 'three', expected int"),
        (lambda tree: tree.update(seed=True), "seed is True, expected int"),
        (lambda tree: tree.update(tasks=5), r"tasks is 5, expected tuple"),
        (lambda tree: tree.update(tasks=["rte", 5]), r"tasks is \('rte', 5\), expected tuple"),
        (lambda tree: tree.update(data=None), "data is None, expected settings by name"),
        (lambda tree: tree["data"].update(batch_size="8"), "batch_size is '8', expected int"),
        (lambda tree: tree["model"].update(overrides=[]), r"overrides is \[\], expected dict"),
        (lambda tree: tree["adapters"].update(settings={"lora": 3}), "settings is .*, expected"),
        (lambda tree: tree["adapters"].update(stack_on="x"), "stack_on is 'x', expected"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_file(tmp_path, change, message):
    with pytest.raises(WeightsError, match=rf"{tmp_path}/config.yaml .*{message}|{message}"):
        read_config(edited(tmp_path, change))


def test_no_file_and_no_yaml(tmp_path):
    with pytest.raises(WeightsError, match=r"is no run folder: it holds no config.yaml$"):
        read_config(tmp_path)
    for number in range(2):
        (tmp_path / "sweep" / f"run{number}").mkdir(parents=True)
        (tmp_path / "sweep" / f"run{number}" / "config.yaml").touch()
    with pytest.raises(WeightsError, match=r"config.yaml; \S+/sweep/run0, \S+/sweep/run1 do$"):
        read_config(tmp_path / "sweep")
    for content in (b"a: [", b"a: " + b"[" * 9000, b"a: \xff\xfe"):
        (tmp_path / "config.yaml").write_bytes(content)
        with pytest.raises(WeightsError, match=r"config.yaml cannot be parsed"):
            read_config(tmp_path)


def test_files_a_start_was_read_from_are_not_needed_later():
    settings = {"hyperformer": {"task_embeddings": "tasks.npz", "reduction_factor": 8}}
    adapters = AdapterConfig("hyperformer", settings)
    without = dataclasses.replace(RUN, adapters=adapters).without_files()
    assert without.adapters.settings == {
        "hyperformer": {"task_embeddings": "fixed", "reduction_factor": 8}
    }
    assert adapters.settings["hyperformer"]["task_embeddings"] == "tasks.npz"
    assert RUN.without_files() == RUN


def test_the_same_tree_comes_from_a_dictionary():
    assert parse_settings(RUN.as_dict(), "config.yaml") == RUN


def test_numbers_without_a_point_are_floats_too():
    tree = RUN.as_dict()
    tree["optimizer"]["learning_rate"] = 1
    assert parse_settings(tree, "config.yaml").optimizer.learning_rate == 1
