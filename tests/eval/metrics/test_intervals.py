"""Intervals: as the bootstrap has them, by group, seeded, and wide enough as often as they say."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from eval.metrics.answers import pair_answers
from eval.metrics.intervals import (
    draw_weights,
    make_interval,
    number_units,
    resample_figures,
)
from eval.metrics.registry import METRICS


def labels(right, groups=None):
    count = len(right)
    return pair_answers([1] * count, np.asarray(right, int), 2, groups=groups)


def test_of_a_share_the_error_is_that_of_the_binomial():
    right = np.arange(400) % 4 > 0
    figures = resample_figures("rte", ["accuracy"], labels(right), resamples=4000)["accuracy"]
    interval = make_interval(figures)
    error = (0.75 * 0.25 / 400) ** 0.5
    assert interval.standard_error == pytest.approx(error, rel=0.05)
    assert (interval.low, interval.high) == pytest.approx(
        (0.75 - 1.96 * error, 0.75 + 1.96 * error), abs=0.005
    )


def test_it_is_scipys_bootstrap_of_a_mean():
    generator = np.random.default_rng(1)
    right = generator.normal(size=60)
    answers = pair_answers(right, right + generator.normal(size=60))
    interval = make_interval(resample_figures("stsb", ["mae"], answers, resamples=4000)["mae"])
    off = np.abs(answers.predictions - answers.targets)
    theirs = stats.bootstrap((off,), np.mean, n_resamples=4000, method="percentile", rng=generator)
    assert interval.standard_error == pytest.approx(theirs.standard_error, rel=0.1)
    ends = theirs.confidence_interval
    assert (interval.low, interval.high) == pytest.approx((ends.low, ends.high), abs=0.03)


def test_ninety_five_of_a_hundred_hold_the_truth():
    generator = np.random.default_rng(2)
    held = 0
    for number in range(200):
        answers = labels(generator.random(100) < 0.7)
        figures = resample_figures(f"task {number}", ["accuracy"], answers, resamples=300)
        interval = make_interval(figures["accuracy"])
        held += interval.low <= 0.7 <= interval.high
    assert held / 200 == pytest.approx(0.95, abs=0.04)


def test_groups_are_drawn_whole():
    groups = np.repeat(np.arange(10), 10)
    answers = labels(groups % 2, groups)  # all of a group are right, or none
    together = make_interval(resample_figures("multirc", ["accuracy"], answers)["accuracy"])
    apart = make_interval(
        resample_figures("multirc", ["accuracy"], replace(answers, groups=None))["accuracy"]
    )
    assert together.standard_error == pytest.approx((0.25 / 10) ** 0.5, rel=0.1)
    assert apart.standard_error == pytest.approx((0.25 / 100) ** 0.5, rel=0.1)
    for weights in draw_weights("multirc", answers, 5, 0):
        assert (weights.reshape(5, 10, 10) == weights.reshape(5, 10, 10)[:, :, :1]).all()
        assert (weights.sum(1) == 100).all()


def test_documents_are_drawn_whole_whatever_is_scored_together():
    documents = np.repeat(np.arange(10), 10)
    answers = labels(documents % 2, np.arange(100) // 2)
    assert len(set(number_units(answers).tolist())) == 50
    whole = replace(answers, documents=documents)
    assert number_units(whole).tolist() == documents.tolist()
    interval = make_interval(resample_figures("multirc", ["accuracy"], whole)["accuracy"])
    assert interval.standard_error == pytest.approx((0.25 / 10) ** 0.5, rel=0.1)
    taken = whole.take(np.array([0, 99, 99]))
    assert taken.documents.tolist() == [0, 9, 9]


def test_draws_depend_on_seed_and_task_alone():
    answers = labels([0, 1, 1, 0, 1, 1, 1])
    other = labels([1, 1, 1, 0, 0, 0, 1])

    def draw(task="rte", seed=0, of=answers):
        return np.concatenate(list(draw_weights(task, of, 20, seed)))

    assert (draw() == draw(of=other)).all()
    assert not (draw() == draw(seed=1)).all() and not (draw() == draw(task="cola")).all()
    few = np.concatenate(list(draw_weights("rte", answers, 5, 0)))
    assert (few == draw()[:5]).all()


def test_a_metric_of_one_s_own_is_computed_resample_by_resample(monkeypatch):
    def share(answers):
        return float(np.mean(answers.are_right))

    monkeypatch.setitem(METRICS, "share", share)
    answers = labels([0, 1, 1, 0, 1, 1, 1])
    figures = resample_figures("rte", ["accuracy", "share"], answers, resamples=50)
    assert figures["share"] == pytest.approx(figures["accuracy"])


def test_questions_with_and_without_an_answer_have_intervals_of_their_own():
    answers = replace(
        pair_answers(["cat", "none", "dog"], ["cat", "none", "cat"]), no_answer="none"
    )
    figures = resample_figures("squad", ["squad_f1"], answers, resamples=200)
    assert list(figures) == ["squad_f1", "squad_f1_has_answer", "squad_f1_no_answer"]
    # Some resamples have no question without an answer.
    assert np.isnan(figures["squad_f1_no_answer"]).any()
    assert make_interval(figures["squad_f1_no_answer"]).low == 1.0
    assert make_interval(figures["squad_f1_has_answer"]).high == 1.0


def test_what_cannot_be_told():
    assert make_interval(np.array([np.nan, 0.5])) is None
    interval = make_interval(np.array([0.5, 0.5]))
    assert (interval.low, interval.high, interval.standard_error) == (0.5, 0.5, 0.0)
