"""How often each task comes up."""

import dataclasses

import numpy as np
import pytest

from adapters_tf.runs.sections import (
    AdapterConfig,
    BalancingConfig,
    DataConfig,
)
from adapters_tf.runs.settings import (
    ResolvedModel,
    ResolvedOptimizer,
    ResolvedRun,
    ResolvedTraining,
)
from prep import UsageError
from trainer.settings.batch_checks import check_balancing, check_weights
from trainer.settings.checks import check_same_run
from trainer.settings.mixture import (
    batch_schedule,
    batch_shares,
    steps_of_epochs,
    unimax_shares,
)

SIZES = [100, 400, 500]


def settings_of(steps=60, **data):
    return ResolvedRun(
        "data",
        "run",
        ("a", "b", "c"),
        3,
        ResolvedModel(),
        AdapterConfig(),
        DataConfig(batch_size=10, **data),
        ResolvedOptimizer(schedule="constant"),
        ResolvedTraining(steps=steps),
    )


@pytest.mark.parametrize(
    ("data", "shares"),
    [
        ({}, [0.1, 0.4, 0.5]),
        ({"cap": 100}, [1 / 3] * 3),
        ({"mixture": "equal"}, [1 / 3] * 3),
        ({"mixture": "round"}, [1 / 3] * 3),
        ({"mixture": "weights", "weights": {"c": 1.0, "a": 2.0, "b": 5.0}}, [0.25, 0.625, 0.125]),
        # 600 rows: a has its 100, the others share what is left.
        ({"mixture": "unimax", "epochs": 1.0}, [1 / 6, 2.5 / 6, 2.5 / 6]),
        ({"mixture": "unimax", "epochs": 9.0}, [1 / 3] * 3),
    ],
)
def test_shares_by_hand(data, shares):
    np.testing.assert_allclose(batch_shares(settings_of(**data), SIZES, SIZES), shares)


def test_of_packed_rows_examples_have_the_shares():
    """Of a, four examples are in a row, and one of the others'."""
    rows = [25, 400, 500]
    shares = batch_shares(settings_of(mixture="equal"), SIZES, rows)
    np.testing.assert_allclose(shares * np.divide(SIZES, rows) / shares[1], [1.0, 1.0, 1.0])
    in_rounds = batch_shares(settings_of(mixture="round"), SIZES, rows)
    np.testing.assert_allclose(in_rounds, [1 / 3] * 3)


def test_unimax_gives_no_task_more_than_its_epochs_while_others_have_rows():
    random = np.random.default_rng(0)
    for _ in range(50):
        rows = random.integers(1, 1000, 8)
        budget, epochs = int(random.integers(1, 4000)), float(random.uniform(0.5, 4))
        given = unimax_shares(rows, budget, epochs) * budget
        if budget <= rows.sum() * epochs:
            assert np.all(given <= rows * epochs * (1 + 1e-9))
            # Who has less than another has all its epochs.
            for one, least in zip(given, rows * epochs, strict=True):
                assert one >= given.max() - 1e-6 or one == pytest.approx(least)
        else:
            np.testing.assert_allclose(given, rows * budget / rows.sum())


def test_rounds_are_the_schedule_of_a_mixture_of_rounds():
    settings = settings_of(mixture="round")
    schedule = batch_schedule(settings, batch_shares(settings, SIZES, SIZES), 1)
    assert all(sorted(one) == [0, 1, 2] for one in schedule.reshape(20, 3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"mixture": "weights", "weights": {"a": 1.0}}, "data.weights leaves out b, c"),
        ({"mixture": "weights", "weights": {"a": 1.0, "d": 1.0}}, "data.weights 'd' is unknown"),
        ({"weights": {"a": 1.0}}, "data.weights are of data.mixture weights, and it is"),
    ],
)
def test_weights_that_do_not_fit_the_tasks_are_refused(data, message):
    with pytest.raises(UsageError, match=message):
        check_weights(settings_of(**data))


def test_a_run_whose_mixture_knows_its_end_cannot_be_extended():
    old = settings_of(mixture="unimax")
    longer = dataclasses.replace(old, training=ResolvedTraining(steps=90))
    with pytest.raises(UsageError, match="unimax shares all steps out from the start"):
        check_same_run(old, longer, "run")
    check_same_run(settings_of(), settings_of(steps=90), "run")


@pytest.mark.parametrize("data", [{}, {"mixture": "round"}, {"routing": "example"}])
@pytest.mark.parametrize("task", ["a", "longest", "shortest"])
@pytest.mark.parametrize(("epochs", "per_step"), [(0.5, 1), (3.0, 1), (3.0, 4)])
def test_steps_are_the_fewest_that_make_the_epochs(data, task, epochs, per_step):
    settings = settings_of(**data)
    training = dataclasses.replace(
        settings.training, epochs=epochs, epochs_of=task, tasks_per_step=per_step
    )
    settings = dataclasses.replace(settings, training=training)
    steps = steps_of_epochs(settings, SIZES, SIZES)
    number = {"a": 0, "shortest": 0, "longest": 2}[task]
    draws = 10 if data.get("routing") == "example" else 1

    def seen(steps):
        training = ResolvedTraining(steps=steps, tasks_per_step=per_step)
        run = dataclasses.replace(settings, training=training)
        schedule = batch_schedule(run, batch_shares(run, SIZES, SIZES), draws)
        return np.count_nonzero(schedule == number) * 10 / draws / SIZES[number]

    assert seen(steps) >= epochs > seen(steps - 1)


def test_epochs_that_never_end_are_refused():
    settings = settings_of(mixture="weights", weights={"a": 1.0, "b": 1.0, "c": 1e-9})
    training = dataclasses.replace(settings.training, epochs=3.0)
    settings = dataclasses.replace(settings, training=training)
    with pytest.raises(UsageError, match="3 epochs of c would take more than"):
        steps_of_epochs(settings, SIZES, SIZES)


@pytest.mark.parametrize(
    ("data", "count", "balancing", "message"),
    [
        ({}, 1, BalancingConfig("famo"), "famo weighs the tasks of one step, and a step has one"),
        ({}, 2, BalancingConfig("sum", {"a": 1.0}), "balancing.weights are of balancing.method"),
        ({}, 2, BalancingConfig("weights", {"d": 1.0}), "balancing.weights 'd' is unknown"),
        ({}, 2, BalancingConfig("weights", {"a": 1e39}), "weights.a must be at most 1,000,000,000"),
        ({}, 2, BalancingConfig("weights", dict.fromkeys("abc", 0.0)), "0 for every task"),
        ({"routing": "example"}, 2, BalancingConfig(), "one batch mixes tasks already"),
        (
            {"lengths": "per_task"},
            2,
            BalancingConfig(),
            "as many batches of each task; use data.mixture round",
        ),
        ({}, 2**30, BalancingConfig(), "must be at most 2,147,483,647"),
    ],
)
def test_a_balance_that_cannot_be_is_refused(data, count, balancing, message):
    settings = settings_of(**data)
    training = dataclasses.replace(settings.training, tasks_per_step=count)
    with pytest.raises(UsageError, match=message):
        check_balancing(dataclasses.replace(settings, training=training, balancing=balancing))
