"""What a run hands on to a task that is added, and what it cannot."""

import dataclasses

import pytest

from adapters_tf.runs.config import CONFIG_FILE, config_text
from adapters_tf.runs.sections import AdapterConfig, DataConfig, OptimizerConfig, TrainingConfig
from adapters_tf.runs.settings import ResolvedHeads, ResolvedModel, ResolvedRun
from prep import UsageError
from trainer.adding.options import read_added_task

ARGUMENTS = ["--dataset=data", "--out=grown", "--task=new", "--steps=7"]


@pytest.fixture
def origin(tmp_path):
    return ResolvedRun(
        dataset="/data",
        run=str(tmp_path),
        tasks=("a", "b"),
        seed=3,
        model=ResolvedModel(dropout="per_unit"),
        adapters=AdapterConfig(method="lora"),
        data=DataConfig(batch_size=5, mixture="weights", weights={"a": 1.0, "b": 2.0}),
        optimizer=OptimizerConfig(learning_rate=0.5, schedule_steps=[5, 9]),
        training=TrainingConfig(steps=9, tasks_per_step=2, best_metric="a/accuracy", log_every=4),
    )


def read(origin, tmp_path, *extra):
    (tmp_path / CONFIG_FILE).write_text(config_text(origin))
    return read_added_task([f"--run={tmp_path}", *ARGUMENTS, *extra])


def test_settings_are_the_run_s_but_for_those_of_many_tasks(origin, tmp_path):
    asked = read(origin, tmp_path, "--optimizer.end_rate=0.1")
    config = asked.config
    assert (config.seed, config.model.dropout, config.adapters) == (3, "per_unit", origin.adapters)
    assert (config.data.batch_size, config.data.mixture, config.data.weights) == (
        5,
        "proportional",
        {},
    )
    assert (config.optimizer.learning_rate, config.optimizer.end_rate) == (0.5, 0.1)
    assert config.optimizer.schedule_steps == 0
    training = config.training
    assert (training.steps, training.tasks_per_step, training.log_every) == (7, 1, 4)
    assert training.best_metric == "mean" and config.task_list() == ["new"]


def test_a_run_with_heads_is_refused(origin, tmp_path):
    heads = ResolvedHeads(tasks=["a"], kinds={"a": "classification"}, answers={"a": 2})
    with pytest.raises(UsageError, match="the run has heads, whose width depends on all its tasks"):
        read(dataclasses.replace(origin, heads=heads), tmp_path)
    with pytest.raises(UsageError, match="--heads is the run's, for all its tasks"):
        read(origin, tmp_path, "--heads.tasks=[new]")
