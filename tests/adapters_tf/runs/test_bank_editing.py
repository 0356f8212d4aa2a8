"""Tasks added to, renamed in and dropped from a bank; tasks that start from others' adapters."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import yaml

from adapters_tf import (
    ConfigurationError,
    WeightsError,
    load_run,
    load_task,
    save_task,
    task_tensors,
)
from adapters_tf.__main__ import main as adapters_command
from adapters_tf.errors import run_command
from adapters_tf.files.embeddings_file import save_embeddings
from adapters_tf.runs import bank_editing
from adapters_tf.runs.bank_editing import edit_names
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import build_model
from adapters_tf.task_adapters.starting import start_tasks

pytestmark = pytest.mark.slow

LORA = {"lora": {"rank": 2, "targets": ["q", "wo"]}}


def main(argv):
    return run_command(adapters_command, argv)


@pytest.fixture(scope="module")
def lora_run(make_run):
    return make_run("lora", LORA)


@pytest.fixture(scope="module")
def normed_run(make_run):
    """A run whose bottlenecks share their norms over tasks."""
    return make_run("bottleneck", {"bottleneck": {"reduction_factor": 4}})


def fails(capsys, *argv):
    code = main([str(part) for part in argv])
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return code, error


def assert_equal_tensors(found, expected):
    assert found.keys() == expected.keys()
    for path, tensor in found.items():
        np.testing.assert_array_equal(tensor, expected[path])


def test_a_bank_is_edited_and_what_stays_is_copied(lora_run, sentences, tmp_path, capsys):
    out = tmp_path / "edited"
    folder = lora_run / "adapters" / "rte"
    command = (
        f"bank --run {lora_run} --add new={folder} --rename cola=judged --drop rte --out {out}"
    )
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert f"new: from {folder}" in printed and "judged: was cola" in printed
    before, after = load_run(lora_run), load_run(out)
    assert after.model.task_names == ("judged", "new") and after.step == before.step == 7
    assert_equal_tensors(task_tensors(after.model, "judged"), task_tensors(before.model, "cola"))
    assert_equal_tensors(task_tensors(after.model, "new"), task_tensors(before.model, "rte"))
    cola = before.model(sentences).numpy()  # of the second task
    judged = after.model({**sentences, "task": tf.zeros_like(sentences["task"])}).numpy()
    np.testing.assert_array_equal(judged, cola)
    for task in ("judged", "new"):
        load_task(after.model, task, out / "adapters" / task)
    assert main(["list", str(out)]) == 0
    listed = capsys.readouterr().out
    assert "judged" in listed and "export can write peft" in listed.splitlines()[-1]
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["bank_of"] == str(lora_run) and config["tasks"] == ["judged", "new"]


def test_names_stay_in_their_order_and_added_ones_come_last():
    names = edit_names(["a", "b", "c"], add=["d"], rename={"a": "z"}, drop=["b"])
    assert list(names.items()) == [("z", "a"), ("c", "c"), ("d", None)]
    assert edit_names(["a", "b"], rename={"a": "b", "b": "a"}) == {"b": "a", "a": "b"}
    with pytest.raises(ConfigurationError, match="two tasks of the name 'b'"):
        edit_names(["a", "b"], rename={"a": "b"})
    with pytest.raises(ConfigurationError, match="no task left"):
        edit_names(["a"], drop=["a"])


def test_adapters_that_share_other_norms_are_refused(make_run, normed_run, tmp_path, capsys):
    other = make_run("bottleneck", {"bottleneck": {"reduction_factor": 4}}, seed=1)
    add = f"bank --run {normed_run} --add new={other}/adapters/rte --out {tmp_path}/out"
    code, error = fails(capsys, *add.split())
    assert code == 1 and "were trained apart" in error and "post_norm" in error
    own = f"bank --run {normed_run} --add new={normed_run}/adapters/rte --out {tmp_path}/out"
    assert main(own.split()) == 0


def test_edits_that_cannot_be(make_run, lora_run, normed_run, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    wider = make_run("lora", {"lora": {"rank": 3, "targets": ["q", "wo"]}})
    louder = make_run("lora", {"lora": {"rank": 2, "targets": ["q", "wo"], "alpha": 64.0}})
    for edit, expected_code, part in (
        ("", 2, "nothing to change"),
        ("--drop colla", 2, "did you mean 'cola'"),
        ("--rename cola", 2, "expected two names with = between them"),
        ("--rename cola=rte", 2, "two tasks of the name 'rte'"),
        ("--drop rte --drop cola", 2, "no task left"),
        ("--add a=b --add a=c", 2, "names 'a' twice"),
        ("--add a=nowhere", 1, "nowhere/adapter_config.json is missing"),
        (f"--add a={normed_run}/adapters/rte", 1, "methods ['bottleneck'], not ['lora']"),
        (f"--add a={wider}/adapters/rte", 1, "lora.rank 3, not 2"),
        (f"--add a={louder}/adapters/rte", 1, "lora.alpha 64.0, not"),
        (f"--drop rte --out {tmp_path}/full", 2, "full holds something already"),
    ):
        argv = ["bank", "--run", lora_run, "--out", tmp_path / "out", *edit.split()]
        code, error = fails(capsys, *argv)
        assert (code, part in error) == (expected_code, True), error
        assert not (tmp_path / "out").exists()


def test_tasks_start_from_earlier_adapters(lora_run):
    settings = read_config(lora_run)
    trained = load_run(lora_run).model
    folder = str(lora_run / "adapters" / "rte")

    def started(folders, tasks=("rte", "cola")):
        model = build_model(replace(settings, tasks=tasks))
        fresh = task_tensors(model, tasks[1])
        return model, fresh, start_tasks(model, folders)

    model, fresh, sources = started({"rte": folder})
    assert sources == {"rte": folder}
    assert_equal_tensors(task_tensors(model, "rte"), task_tensors(trained, "rte"))
    assert_equal_tensors(task_tensors(model, "cola"), fresh)
    model, _, sources = started(folder)
    assert sources == {"rte": folder, "cola": folder}
    assert_equal_tensors(task_tensors(model, "cola"), task_tensors(trained, "rte"))
    model, fresh, sources = started(str(lora_run), ("rte", "new"))
    assert sources == {"rte": folder}
    assert_equal_tensors(task_tensors(model, "new"), fresh)
    assert started("")[2] == {}
    with pytest.raises(WeightsError, match="no task 'rtee'; did you mean 'rte'"):
        started({"rtee": folder})
    with pytest.raises(WeightsError, match="has none of the tasks x, y, but rte"):
        started(str(lora_run), ("x", "y"))


def test_new_tasks_start_from_the_nearest_that_a_run_has(lora_run, tmp_path):
    settings = read_config(lora_run)
    model = build_model(replace(settings, tasks=("rte", "new", "newer")))
    vectors = {"rte": [1, 0], "mnli": [0, 2], "cola": [0, 1], "new": [-1, 5], "newer": [3, 1]}
    file = tmp_path / "tasks.npz"
    save_embeddings(file, list(vectors), np.array(list(vectors.values()), np.float32))
    trained = load_run(lora_run).model
    adapters = tmp_path / "adapters"
    for task in trained.task_names:
        save_task(trained, task, adapters / task)
    expected = {"rte": "rte", "new": "cola", "newer": "rte"}
    sources = start_tasks(model, str(adapters), str(file))
    assert sources == {task: str(adapters / source) for task, source in expected.items()}
    for task, source in expected.items():
        assert_equal_tensors(task_tensors(model, task), task_tensors(trained, source))
    for start in ("", str(adapters / "rte"), {"new": str(adapters / "rte")}):
        with pytest.raises(ConfigurationError, match=r"needs .*start_from: a run whose"):
            start_tasks(model, start, str(file))
    save_embeddings(file, ["rte", "new"], np.ones((2, 2), np.float32))
    with pytest.raises(ConfigurationError, match="no embedding of task 'newer'; did you mean"):
        start_tasks(model, str(adapters), str(file))
    save_embeddings(file, ["new", "newer"], np.ones((2, 2), np.float32))
    with pytest.raises(ConfigurationError, match="no embedding of any of cola, rte"):
        start_tasks(model, str(adapters), str(file))
    save_embeddings(file, ["rte", "new"], np.ones((3, 2), np.float32))
    with pytest.raises(ConfigurationError, match=r"vectors \(3, 2\) for 2 names"):
        start_tasks(model, str(adapters), str(file))


def test_checkpoint_none_is_the_model_with_its_starts(make_run, lora_run):
    folder = str(lora_run / "adapters" / "rte")
    later = make_run("lora", LORA, seed=1, start_from={"cola": folder})
    model = load_run(later, "none").model
    trained = load_run(lora_run).model
    assert_equal_tensors(task_tensors(model, "cola"), task_tensors(trained, "rte"))


def test_tasks_start_on_every_replica(lora_run, four_replicas):
    settings = read_config(lora_run)
    with four_replicas.scope():
        model = build_model(settings)
        start_tasks(model, {"cola": str(lora_run / "adapters" / "rte")})
    expected = task_tensors(load_run(lora_run).model, "rte")
    for path, variable in model.trainable_by_path().items():
        copies = four_replicas.experimental_local_results(variable)
        assert len(copies) == 4
        for values in copies:
            np.testing.assert_array_equal(values[1], expected[path])


def test_a_bank_that_was_cut_off_leaves_no_folder(lora_run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run = load_run(lora_run)
    settings = run.settings

    def end(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(bank_editing, "write_text", end)
    with pytest.raises(KeyboardInterrupt):
        bank_editing.write_run(run.model, settings, lora_run, 7, out)
    assert not out.exists()
    monkeypatch.undo()
    bank_editing.write_run(run.model, settings, lora_run, 7, out)
    again = load_run(out)
    assert (again.step, again.settings.bank_of) == (7, str(lora_run))
