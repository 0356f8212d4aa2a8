"""What a run hands on to a task that is added, and what it cannot."""

import dataclasses

import pytest

from adapters_tf.runs.config import CONFIG_FILE, config_text
from adapters_tf.runs.sections import (
    AdapterConfig,
    DataConfig,
    HeadsConfig,
    OptimizerConfig,
    TrainingConfig,
)
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
        data=DataConfig(
            batch_size=6,
            mixture="weights",
            weights={"a": 1.0, "b": 2.0},
            loss_scale={"a": 2.0},
            lanes=2,
        ),
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
        6,
        "proportional",
        {},
    )
    assert (config.optimizer.learning_rate, config.optimizer.end_rate) == (0.5, 0.1)
    assert config.optimizer.schedule_steps == 0
    assert (config.data.lanes, config.data.loss_scale) == (1, "equal")
    training = config.training
    assert (training.steps, training.tasks_per_step, training.log_every) == (7, 1, 4)
    assert training.best_metric == "mean" and config.task_list() == ["new"]


def test_heads_are_built_as_the_run_s_and_asked_for_by_name(origin, tmp_path):
    with pytest.raises(UsageError, match="the run has no heads; leave it out"):
        read(origin, tmp_path, "--heads.tasks=[new]")
    one = {"kinds": {"a": "classification"}, "answers": {"a": 2}}
    heads = ResolvedHeads(tasks=["a"], pooling="first", focal_gamma=2.0, **one)
    some = dataclasses.replace(origin, heads=heads)
    asked = read(some, tmp_path, "--heads.tasks=new").config.heads
    assert (asked.pooling, asked.focal_gamma, asked.tasks) == ("first", 2.0, "new")
    assert read(some, tmp_path).config.heads == HeadsConfig()  # in words: theirs say nothing
    assert read(some, tmp_path, "--heads.dropout=0.5").config.heads.dropout == 0.5  # refused later
    with pytest.raises(
        UsageError, match=r"--heads\.pooling is mean, and the run's heads have first"
    ):
        read(some, tmp_path, "--heads.tasks=new", "--heads.pooling=mean")
    with pytest.raises(UsageError, match="heads answer all tasks of the run, and no adapters"):
        read(dataclasses.replace(some, tasks=("a",)), tmp_path)


def test_rows_are_merged_in_ways_there_are(origin, tmp_path):
    asked = read(origin, tmp_path, "--from=a,b", "--how=ties", "--density=0.5", "--dry-run")
    assert (asked.how, asked.density, asked.is_dry) == ("ties", 0.5, True)
    with pytest.raises(UsageError, match="--how 'tie' is unknown; did you mean 'ties'"):
        read(origin, tmp_path, "--from=a,b", "--how=tie")
    with pytest.raises(UsageError, match="--how dare is for several tasks in --from a,b"):
        read(origin, tmp_path, "--from=a", "--how=dare")
    with pytest.raises(UsageError, match="--density must be above 0 and at most 1, got 0"):
        read(origin, tmp_path, "--from=a,b", "--density=0")


def test_steps_may_be_epochs(origin, tmp_path):
    assert read(origin, tmp_path, "--steps=2 epochs").config.training.steps == "2 epochs"
    with pytest.raises(UsageError, match=r"--steps is 7 and --training\.epochs 2; leave one out"):
        read(origin, tmp_path, "--training.epochs=2")


def test_help_is_short_and_calls_the_run_what_it_is_here(capsys):
    with pytest.raises(SystemExit):
        read_added_task(["--help"])
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert len(lines) < 60 and max(map(len, lines)) <= 80
    assert "the trained run that grows" in said and "--optimizer.name" not in said
    assert "`python -m trainer --help-all` lists them" in " ".join(said.split())
