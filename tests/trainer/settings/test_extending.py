"""Which steps a schedule can be laid out for."""

import dataclasses

import pytest

from adapters_tf.runs.sections import AdapterConfig, OptimizerConfig, TrainingConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun
from prep import UsageError
from trainer.settings.extending import check_schedule, schedule_ends


def run_of(**optimizer):
    return ResolvedRun(
        dataset="/data",
        run="/run",
        tasks=("a",),
        seed=0,
        model=ResolvedModel(),
        adapters=AdapterConfig(),
        optimizer=OptimizerConfig(**optimizer),
        training=TrainingConfig(steps=100),
    )


@pytest.mark.parametrize(
    ("named", "ends"), [(0, (100,)), (300, (300,)), ([50, 100], (50, 100)), ([40, 900], (40, 900))]
)
def test_steps_that_can_be(named, ends):
    run = run_of(schedule_steps=named)
    check_schedule(run)
    assert schedule_ends(run) == ends


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"schedule_steps": []}, "is an empty list; 0 takes training.steps"),
        ({"schedule_steps": -5}, "must rise from above 0, got -5"),
        ({"schedule_steps": [50, 50]}, r"must rise from above 0, got \[50, 50\]"),
        ({"schedule_steps": 60}, r"ends at 60 of 100 steps, and .* such as \[60, 100\]"),
        ({"schedule_steps": 60, "schedule": "constant"}, "'constant' has no end; leave it out"),
    ],
)
def test_steps_that_cannot_be(optimizer, message):
    with pytest.raises(UsageError, match=message):
        check_schedule(run_of(**optimizer))


def test_a_rate_that_ends_above_zero_may_stay_there():
    check_schedule(run_of(schedule_steps=60, end_rate=1e-5))
    open_ended = dataclasses.replace(run_of(schedule="constant"), tasks=("a", "b"))
    check_schedule(open_ended)
