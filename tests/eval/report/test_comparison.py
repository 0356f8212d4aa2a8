"""Differences between runs: tests worked by hand, and winners only where there is one."""

import dataclasses

import numpy as np
import pytest

from eval.metrics.answers import pair_answers
from eval.report.comparison import (
    MEAN,
    bootstrap_p_value,
    compare,
    make_cell,
    make_row,
    mcnemar_test,
)

ALONE = ([0], [1])


def labels(right):
    return pair_answers([1] * len(right), np.asarray(right, int), 2)


def test_mcnemar_by_hand():
    first = np.array([1] * 8 + [0] * 2 + [1] * 5, bool)
    second = np.array([0] * 8 + [1] * 2 + [1] * 5, bool)
    # Of ten that differ two or fewer, or eight or more: 2 (1 + 10 + 45) / 1024.
    p_value, alone = mcnemar_test(first, second)
    assert alone == (8, 2) and p_value == pytest.approx(112 / 1024)
    assert mcnemar_test(first, first) == (1.0, (0, 0))


def test_p_values_by_hand():
    # Of 99 resamples 4 are not above 0: twice 5 of 100.
    differences = np.array([-0.1] * 3 + [0.0] + [0.2] * 95)
    assert bootstrap_p_value(differences) == pytest.approx(0.1)
    assert bootstrap_p_value(np.zeros(9)) == 1.0


def test_a_run_that_is_better_on_the_same_examples_wins():
    """Each alone is 0.05 uncertain; they differ on 8 examples, all for the first."""
    right = np.arange(100) % 2 == 0
    better = right | (np.arange(100) < 16)
    (row,) = compare({"rte": ["accuracy"]}, {"rte": [labels(better), labels(right)]}, ALONE)
    assert [cell.mean for cell in row.cells] == [0.58, 0.5]
    (difference,) = row.differences
    assert difference.difference == pytest.approx(0.08)
    assert difference.interval.low > 0 and difference.p_value < 0.01
    assert difference.only_right == (8, 0)
    assert difference.mcnemar == pytest.approx(2 / 2**8)
    assert row.winner == 0


def test_equals_have_no_winner():
    right = np.arange(100) % 2 == 0
    other = right.copy()
    other[:6] = ~other[:6]
    rows = compare({"rte": ["accuracy"]}, {"rte": [labels(other), labels(right)]}, ALONE)
    assert rows[0].winner is None
    rows = compare({"rte": ["accuracy"]}, {"rte": [labels(right), labels(right)]}, ALONE)
    assert rows[0].winner is None and rows[0].differences[0].p_value == 1.0


def test_a_winner_beats_every_other():
    right = np.arange(200) % 2 == 0
    better = right | (np.arange(200) < 60)
    almost = better.copy()
    almost[0] = False
    answers = {"rte": [labels(better), labels(almost), labels(right)]}
    (row,) = compare({"rte": ["accuracy"]}, answers, ([0], [1], [2]))
    assert row.winner is None
    assert [one.is_clear for one in row.differences] == [False, True, True]


def test_of_an_error_the_least_wins():
    right = np.arange(50.0)
    answers = [pair_answers(right, right + 2), pair_answers(right, right + 1 + right % 2 / 9)]
    (row,) = compare({"stsb": ["rmse"]}, {"stsb": answers}, ALONE)
    assert row.winner == 1 and row.differences[0].mcnemar is None


def test_runs_of_a_column_have_mean_and_deviation():
    answers = [labels(np.arange(100) < share) for share in (60, 70, 80, 50)]
    (row,) = compare({"rte": ["accuracy"]}, {"rte": answers}, ([0, 1, 2], [3]))
    first, second = row.cells
    assert first.mean == pytest.approx(0.7) and first.deviation == pytest.approx(0.1)
    assert second.deviation is None
    assert row.differences[0].mcnemar is None


def test_seeds_that_scatter_hide_a_difference():
    """Two columns of means 0.7 and 0.6; whether that is chance depends on the seeds."""
    steady, lower = np.full((3, 2000), 0.7), np.full((3, 2000), 0.6)
    scattered = np.repeat([[0.45], [0.75], [0.9]], 2000, 1)
    cells = [make_cell(0, [0.7] * 3, steady), make_cell(1, [0.6] * 3, lower)]
    assert make_row("t", "accuracy", cells).winner == 0
    cells[0] = make_cell(0, [0.45, 0.75, 0.9], scattered)
    assert make_row("t", "accuracy", cells).winner is None


def test_runs_are_drawn_alike_for_all_tasks_of_a_column_and_not_as_another_s():
    figures, resampled = [0.5, 0.9], np.repeat([[0.5], [0.9]], 2000, 1)
    one, other, column = (make_cell(at, figures, resampled).resampled for at in (0, 0, 1))
    assert (one == other).all()
    assert 0.3 < (one == column).mean() < 0.5  # of 0.5, 0.7 and 0.9: 3 in 8 by chance


@pytest.mark.parametrize(("count", "winner"), [(1, None), (5, None), (6, 0), (50, 0)])
def test_a_few_examples_decide_nothing(count, winner):
    """All differ one way, and so does every resample: as a coin that is thrown so often."""
    right = [labels(np.full(count, share)) for share in (True, False)]
    (row,) = compare({"rte": ["accuracy"]}, {"rte": right}, ([0], [1]))
    (told,) = row.differences
    assert row.winner is winner and (told.interval is None) is (winner is None)
    assert told.p_value == pytest.approx(max(2.0 ** (1 - count), 2 / 1001), rel=1e-2)
    assert told.mcnemar == pytest.approx(min(1.0, 2.0 ** (1 - count)))


def test_the_mean_over_tasks_is_the_last_row():
    right = np.arange(100) % 2 == 0
    answers = {"a": [labels(right), labels(~right)], "b": [labels(right), labels(right[::-1])]}
    rows = compare({"a": ["accuracy", "f1"], "b": ["f1"]}, answers, ALONE)
    assert [(row.task, row.metric) for row in rows] == [
        ("a", "accuracy"),
        ("a", "f1"),
        ("b", "f1"),
        (MEAN, ""),
    ]
    assert rows[-1].cells[0].mean == pytest.approx((0.5 + 2 / 3) / 2)


def test_probabilities_that_no_file_has_are_not_compared():
    answers = {"a": [labels([1, 0]), labels([1, 1])]}
    rows = compare({"a": ["accuracy", "log_loss"]}, answers, ALONE)
    assert [row.metric for row in rows] == ["accuracy"]
    with_them = [
        dataclasses.replace(one, probabilities=np.full((2, 2), 0.5)) for one in answers["a"]
    ]
    rows = compare({"a": ["accuracy", "log_loss"]}, {"a": with_them}, ALONE)
    assert [row.metric for row in rows] == ["accuracy", "log_loss"]
    assert [row.differences[0].mcnemar is None for row in rows] == [False, True]
    rows = compare({"a": ["log_loss", "accuracy"]}, {"a": [with_them[0], answers["a"][1]]}, ALONE)
    assert [row.metric for row in rows] == ["accuracy"]
