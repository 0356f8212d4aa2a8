"""Merged adapters whose tasks heads answer: the heads are merged too, or nothing is."""

import json
import types

import numpy as np
import pytest

from adapters_tf import BottleneckConfig, TaskModel, load_backbone, load_task, task_tensors
from adapters_tf.__main__ import main
from adapters_tf.model.heads import HeadOf, HeadShape
from adapters_tf.task_adapters.head_files import head_tensors, read_head
from prep import run_command

pytestmark = pytest.mark.slow

SMALL = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_heads": 4, "num_layers": 1}
HEADS = {
    "polite": HeadOf("classification", 2, ("no", "yes")),
    "rude": HeadOf("classification", 2, ("no", "yes")),
    "backwards": HeadOf("classification", 2, ("yes", "no")),
    "rating": HeadOf("regression"),
}


@pytest.fixture(scope="module")
def model():
    """As if it was trained: every row of heads and adapters drawn anew."""
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=SMALL, seed=0)
    shape, method = HeadShape(layers=1), BottleneckConfig(reduction_factor=4)
    model = TaskModel(backbone, (*HEADS, "summary"), method, heads=HEADS, head_shape=shape)
    random = np.random.default_rng(1)
    for variable in model.trainable_by_path().values():
        if model.is_bank(variable):
            variable.assign(random.normal(size=variable.shape).astype(np.float32))
    return model


@pytest.fixture
def merge(model, monkeypatch, tmp_path):
    """Merges some tasks of that model into a folder; returns the exit code and the folder."""
    run = types.SimpleNamespace(model=model)
    monkeypatch.setattr("adapters_tf.commands.merge.load_run", lambda *args, **options: run)
    monkeypatch.setattr("adapters_tf.commands.merge.restore_run", lambda run: run)

    def call(tasks, *extra):
        out = tmp_path / "both"
        argv = ["merge", "--run=runs/x", f"--tasks={tasks}", f"--out={out}", *extra]
        return run_command(main, argv), out

    return call


def test_heads_that_answer_the_same_are_merged_as_adapters_are(merge, model, capsys):
    code, out = merge("polite,rude", "--weights=3,1")
    assert code == 0 and "both, with the head made of theirs" in capsys.readouterr().out
    assert json.loads((out / "head_config.json").read_text())["task"] == "both"
    assert read_head(out)[0] == HEADS["polite"]
    polite, rude = (head_tensors(model, task) for task in ("polite", "rude"))
    load_task(model, "rude", out)
    for name, value in head_tensors(model, "rude").items():
        expected = 0.75 * polite[name] + 0.25 * rude[name]
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    # Of equal rows TIES keeps what agrees, and all of it with a density of 1.
    load_task(model, "polite", out)
    code, out = merge("polite,rude", "--how=ties", "--density=1")
    expected = head_tensors(model, "rude")
    load_task(model, "rude", out)
    for name, value in head_tensors(model, "rude").items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6)
    assert task_tensors(model, "rude").keys() == task_tensors(model, "polite").keys()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("polite,backwards", "polite by a head, classification of no, yes; backwards by a head, "),
        ("rating,polite", "rating by a head, regression; polite by a head, classification of no"),
        ("summary,rating", "in common: summary in words; rating by a head, regression"),
    ],
)
def test_heads_that_answer_otherwise_are_refused_by_name(merge, capsys, tasks, message):
    code, out = merge(tasks)
    error = capsys.readouterr().err
    assert code == 2 and message in error and error.count("\n") == 1 and not out.exists()
