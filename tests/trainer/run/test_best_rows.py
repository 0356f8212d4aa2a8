"""Where nothing shared trains, each task keeps the row of its own best step."""

import json

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.methods.lora import LoraConfig
from prep import run_command
from trainer.__main__ import main
from trainer.callbacks.validator import Validator
from trainer.run.best_rows import Score, read_records, score_tasks
from trainer.run.checkpoints import RunCheckpoints

NAN, INF = float("nan"), float("inf")


def test_a_task_is_scored_by_its_main_metric_or_its_loss():
    figures = {
        "stsb/loss": 2.0,
        "stsb/pearson": 0.5,
        "stsb/spearman": 0.25,
        "plain/loss": 1.0,
        "loss": 1.5,
        "mean": 0.5,
    }
    assert score_tasks(figures, "mean") == {
        "stsb": Score("pearson", 0.5, 2.0),
        "plain": Score("loss", 1.0, 1.0),
    }
    assert score_tasks(figures, "loss")["stsb"] == Score("loss", 2.0, 2.0)


def test_what_is_better():
    assert Score("accuracy", 0.5, 2.0).beats(None)
    assert Score("accuracy", 0.75, 2.0).beats(Score("accuracy", 0.5, 1.0))
    assert Score("accuracy", 0.5, 1.0).beats(Score("accuracy", 0.5, 2.0))
    assert not Score("accuracy", 0.5, 2.0).beats(Score("accuracy", 0.5, 2.0))
    assert Score("loss", 0.5, 0.5).beats(Score("loss", 0.75, 0.75))
    assert not Score("accuracy", NAN, 1.0).is_finite()
    assert not Score("accuracy", 0.5, NAN).is_finite()


@pytest.fixture
def run(make_model, make_optimizer, tmp_path):
    """Makes the checkpoints of a run all of whose trainable variables are rows of tasks."""

    def make():
        model = make_model(adapters=LoraConfig(rank=2), train_layer_norms=False)
        optimizer = make_optimizer(model)
        return model, RunCheckpoints(tmp_path, model, optimizer, 2, by_task=True)

    return make


def fill(model, value):
    for variable in model.trainable_variables:
        variable.assign(tf.fill(variable.shape, float(value)))


def rows(model):
    """The one value of each task's rows."""
    found = [
        np.unique(np.stack([bank[task].numpy().min() for bank in model.trainable_variables]))
        for task in range(3)
    ]
    assert all(len(one) == 1 for one in found)
    return [float(one[0]) for one in found]


@pytest.mark.slow
def test_each_task_has_its_own_step_and_c_that_is_not_validated_the_last(run, tmp_path):
    model, checkpoints = run()
    seen = []
    for step, (a, b) in enumerate([(0.5, 0.1), (0.75, NAN), (0.25, 0.3), (0.75, 0.2)], start=1):
        fill(model, step)
        scores = {"a": Score("accuracy", a, 1.0), "b": Score("accuracy", b, 1.0)}
        seen.append(checkpoints.save_best_rows(step, scores))
    assert seen == [["a", "b"], ["a"], ["b"], []]
    assert checkpoints.best_step() == 3
    record = json.loads((tmp_path / "best.json").read_text())
    assert record["tasks"]["a"] == {"step": 2, "metric": "accuracy", "value": 0.75, "loss": 1.0}
    assert record["tasks"]["b"]["step"] == 3 and record["value"] == pytest.approx(0.525)
    checkpoints.save(4)
    # Another process goes on with what this one knew.
    other, again = run()
    assert again.restore() == 4 and rows(other) == [4, 4, 4]
    fill(other, 5)
    better = {"a": Score("accuracy", 0.8, 1.0), "b": Score("accuracy", 0.3, 1.0)}
    assert again.save_best_rows(5, better) == ["a"]
    again.restore_best()
    assert rows(other) == [5, 3, 5]


@pytest.mark.slow
def test_a_run_that_kept_one_step_for_all_goes_on_so(run, tmp_path):
    (tmp_path / "best.json").write_text('{"step": 5, "metric": "mean", "value": 0.5}')
    assert run()[1].rows is None


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "[]", '{"tasks": {"a": {"step": 1, "metric": "f1", "value": null}}}', '"tasks"'],
)
def test_records_that_are_damaged_are_told(tmp_path, text):
    said = []
    assert read_records(tmp_path / "best.json", said.append) == {}
    assert "best.json is missing" in said.pop()
    (tmp_path / "best.json").write_text(text)
    assert read_records(tmp_path / "best.json", said.append) == {}
    assert "best.json is damaged: each task's best so far is not known" in said[0]


SMALL = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 1,
    "num_decoder_layers": 1,
}


@pytest.mark.slow
def test_the_exported_adapter_is_that_of_the_tasks_own_best_step(
    small_dataset, tmp_path, monkeypatch, capsys
):
    names = ["synthetic_entailment", "synthetic_similarity"]
    figures = iter([(0.1, 0.9), (0.8, 0.2), (0.3, 0.3), (0.2, 0.1)])

    def validate(self):
        values = dict(zip(names, next(figures), strict=True))
        scores = {f"{task}/accuracy": value for task, value in values.items()}
        losses = {f"{task}/loss": 1.0 for task in names}
        return {**losses, **scores, "loss": 1.0, "mean": sum(values.values()) / 2}

    monkeypatch.setattr(Validator, "run", validate)
    arguments = [
        f"--dataset={small_dataset}",
        f"--run={tmp_path / 'run'}",
        f"--tasks={','.join(names)}",
        "--model.backbone=t5-tiny",
        f"--model.overrides={json.dumps(SMALL)}",
        "--adapters.method=ia3",
        "--adapters.train_layer_norms=false",
        "--optimizer.learning_rate=1e-1",
        "--data.batch_size=4",
        "--data.mixture=round",
        "--training.steps=16",
        "--training.validate_every=2",
        "--training.checkpoint_every=2",
        "--training.keep_checkpoints=9",
        "--training.patience=2",
    ]
    assert run_command(main, arguments) == 0
    said = capsys.readouterr().out
    assert "validation at step 4 (best of synthetic_entailment)" in said
    assert "no better in 2 validations since step 4: training stops" in said
    assert "done: step 8" in said
    record = json.loads((tmp_path / "run/best.json").read_text())
    assert [record["tasks"][task]["step"] for task in names] == [4, 2]
    best, *at_steps = (
        tf.train.load_checkpoint(str(tmp_path / "run" / place))
        for place in ("best/ckpt-4", "checkpoints/ckpt-2", "checkpoints/ckpt-4")
    )
    banks = [name for name in best.get_variable_to_shape_map() if name.startswith("trainable/")]
    assert banks
    for name in banks:
        at_2, at_4 = (one.get_tensor(name) for one in at_steps)
        np.testing.assert_array_equal(best.get_tensor(name), np.stack([at_4[0], at_2[1]]))
        assert not np.array_equal(at_2[1], at_4[1])
    # Asked for again, it is done, and takes no step.
    assert run_command(main, arguments) == 0
    said = capsys.readouterr().out
    assert "since step 4: training stops" in said and "done: step 8" in said
