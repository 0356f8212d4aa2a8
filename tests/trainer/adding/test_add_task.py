"""A run grows by a task: one row trains, and every other byte stays."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import load_run, task_tensors
from adapters_tf.__main__ import main as edit_bank
from adapters_tf.files.adapter_files import read_task
from adapters_tf.files.embeddings_file import save_embeddings
from eval.__main__ import main as evaluate
from prep import run_command
from tests.trainer.test_fit import SMALL
from trainer.__main__ import main
from trainer.adding.grown_run import write_grown_run
from trainer.adding.trained_run import read_trained_run

pytestmark = pytest.mark.slow

OLD, NEW = ("synthetic_entailment", "synthetic_similarity"), "synthetic_choice"
SETTINGS = (
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--data.batch_size=4",
    "--data.input_length=32",
    "--optimizer.learning_rate=1e-2",
    "--optimizer.schedule=constant",
    "--training.steps=3",
    "--training.validation_examples=4",
)
ALONE = "--adapters.train_layer_norms=false"


class Killed(Exception):  # noqa: N818 — it stands for the end of a process
    pass


def train(dataset, run, *extra, tasks=OLD):
    names = f"--tasks={','.join(tasks)}"
    argv = [f"--dataset={dataset}", f"--run={run}", *SETTINGS, names, *extra]
    with contextlib.redirect_stdout(io.StringIO()):
        assert run_command(main, argv) == 0
    return Path(run)


def add(dataset, run, out, *extra, task=NEW):
    asked = (f"--run={run}", f"--dataset={dataset}", f"--out={out}", f"--task={task}")
    return run_command(main, ["add-task", *asked, *extra])


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def check_others_stay(run, out):
    """Every tensor of the checkpoints but the new row, and every exported file."""
    before, after = read_trained_run(run), read_trained_run(out)
    for name in ("best", "last"):
        old, new = getattr(before, name), getattr(after, name)
        assert old.weights.keys() == new.weights.keys() and old.step == new.step
        assert old.variables.keys() == new.variables.keys()
        pairs = [(old.weights[path], new.weights[path]) for path in old.weights]
        pairs += [(old.variables[one], new.variables[one]) for one in old.variables]
        grown = 0
        for left, right in pairs:
            is_bank = left.shape != right.shape
            grown += is_bank
            assert left.tobytes() == (right[: len(left)] if is_bank else right).tobytes()
            assert not is_bank or len(right) == len(left) + 1
        assert grown
    for task in OLD:
        assert files_of(run / "adapters" / task) == files_of(out / "adapters" / task)


@pytest.fixture(scope="module")
def lora_run(small_dataset, tmp_path_factory):
    """A run in which nothing that tasks share trains."""
    run = tmp_path_factory.mktemp("lora") / "run"
    return train(small_dataset, run, "--adapters.method=lora", ALONE)


def test_the_row_is_that_of_the_task_trained_alone(lora_run, small_dataset, tmp_path, capsys):
    before, out = files_of(lora_run), tmp_path / "grown"
    assert add(small_dataset, lora_run, out, "--steps=4", "--optimizer.learning_rate=3e-3") == 0
    assert "done: " in capsys.readouterr().out
    assert files_of(lora_run) == before
    check_others_stay(lora_run, out)
    faster = (
        "--adapters.method=lora",
        ALONE,
        "--training.steps=4",
        "--optimizer.learning_rate=3e-3",
    )
    alone = train(
        small_dataset, tmp_path / "alone", "--adapters.method=lora", ALONE, *faster, tasks=[NEW]
    )
    right, found = read_trained_run(alone), read_trained_run(out)
    for path, value in right.best.weights.items():
        np.testing.assert_allclose(found.best.weights[path][-1], value[0], atol=1e-5)
    for number, value in right.last.variables.items():
        np.testing.assert_allclose(found.last.variables[number][-1], value[0], atol=1e-5)
    exported = read_task(out / "adapters" / NEW)
    for path, value in task_tensors(load_run(out).model, NEW).items():
        np.testing.assert_array_equal(value, exported[path])
    assert load_run(out).step_of(NEW) == json.loads((alone / "best.json").read_text())["step"]
    best = json.loads((out / "best.json").read_text())
    values = [one["value"] for one in best["tasks"].values()]
    assert list(best["tasks"]) == [*OLD, NEW] and best["value"] == pytest.approx(np.mean(values))
    assert evaluate([f"--run={out}", "--split=validation"]) == 0
    assert set(json.loads((out / "eval" / "validation.json").read_text())["tasks"]) == {*OLD, NEW}
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_grown_run_grows_again_and_is_not_trained_further(
    lora_run, small_dataset, tmp_path, capsys
):
    first, second = tmp_path / "first", tmp_path / "second"
    assert add(small_dataset, lora_run, first, "--steps=1", "--from", OLD[1]) == 0
    small = tmp_path / "one"  # edited: it has no slots
    edit = ["bank", f"--run={lora_run}", f"--drop={OLD[1]}", f"--out={small}"]
    assert run_command(edit_bank, edit) == 0
    assert add(small_dataset, small, second, "--steps=1", task=OLD[1]) == 0
    third = tmp_path / "third"
    assert not (second / "checkpoints").exists()
    assert add(small_dataset, second, third, "--steps=1") == 0
    assert load_run(third).settings.tasks == (*OLD, NEW)
    assert (third / "added" / OLD[1] / "metrics.jsonl").exists()
    capsys.readouterr()
    argv = [f"--dataset={small_dataset}", f"--run={third}", *SETTINGS, "--adapters.method=lora"]
    assert run_command(main, argv) == 2
    said = capsys.readouterr().err
    assert "rows had steps of their own" in said and f"--adapters.start_from {third}" in said


@pytest.mark.parametrize(
    "method",
    [
        ["--adapters.method=bottleneck", "--adapters.settings={bottleneck: {reduction_factor: 8}}"],
        ["--adapters.method=ia3", "--optimizer.ema_decay=0.5"],
        ["--adapters.method=prefix", "--optimizer.name=adafactor"],
        ["--adapters.method=prompt"],
        ["--adapters.method=compacter", "--adapters.settings={compacter: {reduction_factor: 8}}"],
        ["--adapters.method=hyperformer++"],
        ["--adapters.method=conditional_layer_norm"],
    ],
    ids=lambda method: method[0].partition("=")[2],
)
def test_with_any_method_the_rest_stays(small_dataset, tmp_path, monkeypatch, method):
    """T5's layer norms train in the run; for the new task they are the run's, as generators are."""
    trained = []
    monkeypatch.setattr(
        "trainer.adding.command.write_grown_run",
        lambda origin, run, row, new, out, names: (
            trained.append(new),
            write_grown_run(origin, run, row, new, out, names),
        ),
    )
    run, out = (
        train(small_dataset, tmp_path / "run", "--training.steps=2", *method),
        tmp_path / "out",
    )
    mean = f"--from={','.join(OLD)}"
    assert add(small_dataset, run, out, "--steps=2", mean) == 0
    check_others_stay(run, out)
    before, after = read_trained_run(run).best.weights, read_trained_run(out).best.weights
    rows = [path for path in before if before[path].shape != after[path].shape]
    moved = [path for path in rows if not np.allclose(after[path][-1], before[path].mean(0))]
    assert rows and moved
    assert sorted(trained[0].best.weights) == sorted(rows)  # nothing else trained
    if method[0].endswith("hyperformer++"):
        assert rows == ["task_embeddings.embeddings.vectors"] or len(rows) == 1


def test_a_run_of_mixed_batches_grows(small_dataset, tmp_path, capsys):
    """What its tasks counted in a batch is nothing to the new one."""
    mixed = ("--data.routing=example", f"--data.loss_scale={{{OLD[0]}: 2}}", "--data.lanes=2")
    run, out = train(small_dataset, tmp_path / "run", *mixed), tmp_path / "out"
    assert add(small_dataset, run, out, "--steps=2", f"--from={','.join(OLD)}", "--how=dare") == 0
    check_others_stay(run, out)
    assert f"{NEW}: 6000 examples, 8 of 8 rows" in capsys.readouterr().out
    assert load_run(out).settings.data.routing == "example"


def test_the_nearest_task_is_found_by_embeddings(lora_run, small_dataset, tmp_path, capsys):
    file = tmp_path / "tasks.npz"
    save_embeddings(file, [*OLD, NEW], np.array([[1, 0], [0, 1], [0.1, 1]], np.float32))
    nearest = ("--steps=1", "--from=nearest", f"--nearest-by={file}")
    assert add(small_dataset, lora_run, tmp_path / "out", *nearest) == 0
    assert f"{NEW} starts from {OLD[1]};" in capsys.readouterr().out


def test_merged_as_the_command_merges_them(lora_run, small_dataset, tmp_path, capsys):
    """Of a row that has hardly moved; and told before, with nothing written."""
    names, out = ",".join(OLD), tmp_path / "out"
    how = (f"--from={names}", "--how=ties", "--density=0.5", "--optimizer.learning_rate=1e-9")
    assert add(small_dataset, lora_run, out, "--steps=1", *how, "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"{NEW} starts from {', '.join(OLD)}, merged by ties; all else" in said
    assert f"nothing was written: {out} would be new" in said and list(tmp_path.iterdir()) == []
    assert add(small_dataset, lora_run, out, "--steps=1", *how) == 0
    merge = ["merge", f"--run={lora_run}", f"--tasks={names}", "--how=ties", "--density=0.5"]
    assert run_command(edit_bank, [*merge, f"--out={tmp_path / 'merged'}"]) == 0
    right, found = read_task(tmp_path / "merged"), read_task(out / "adapters" / NEW)
    assert right.keys() == found.keys()
    for path, value in right.items():
        np.testing.assert_allclose(found[path], value, atol=1e-6)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--steps=0"], "--steps is missing"),
        (["--steps=1", "--from=synthetic_entailmant"], "did you mean 'synthetic_entailment'?"),
        (["--steps=1", "--from=nearest"], "--from nearest needs --nearest-by"),
        (["--steps=1", "--task=synthetic_similarity"], "has a task 'synthetic_similarity' already"),
        (["--steps=1", "--task=synthetic_chioce"], "did you mean 'synthetic_choice'?"),
        (["--steps=1", "--seed=4"], "--seed is the run's"),
        (["--steps=1", "--model.dropout=per_unit"], "--model is the run's"),
        (["--steps=1", "--optimizer.name=lion"], "have the slots of adamw"),
        (["--steps=1", "--out="], "--out is missing"),
        (["--stepz=1"], "did you mean --steps?"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    lora_run, small_dataset, tmp_path, capsys, extra, message
):
    assert add(small_dataset, lora_run, tmp_path / "out", *extra) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert list(tmp_path.iterdir()) == []


def test_a_method_without_rows_is_refused_by_name(small_dataset, tmp_path, capsys):
    method = ("--adapters.method=hyperformer++", "--model.freeze=[task_embeddings]")
    run, out = (
        train(small_dataset, tmp_path / "run", "--training.steps=1", *method),
        tmp_path / "out",
    )
    assert add(small_dataset, run, out, "--steps=1") == 2
    assert "run cannot grow: with adapters.method hyper" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_ended_on_the_way_the_same_command_goes_on(
    lora_run, small_dataset, tmp_path, capsys, monkeypatch
):
    """Once in the middle of the last write, and once with another choice of where to begin."""
    before, out = files_of(lora_run), tmp_path / "out"

    def fail(*args, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.CheckpointManager, "save", fail)
        with pytest.raises(Killed):
            add(small_dataset, lora_run, out, "--steps=2")
    with monkeypatch.context() as patch:
        patch.setattr("trainer.adding.command.write_grown_run", fail)
        with pytest.raises(Killed):
            add(small_dataset, lora_run, out, "--steps=2")
    assert not out.exists() and files_of(lora_run) == before
    capsys.readouterr()
    assert add(small_dataset, lora_run, out, "--steps=2", f"--from={OLD[0]}") == 2
    assert "was begun with 'scratch' (from)" in capsys.readouterr().err
    assert add(small_dataset, lora_run, out, "--steps=2") == 0
    assert "going on from step 2" in capsys.readouterr().out
    check_others_stay(lora_run, out)
    assert add(small_dataset, lora_run, out, "--steps=2") == 2
    assert "holds something already" in capsys.readouterr().err
