"""Validation between steps: its figures are logged, and the best step is kept."""

import types

import pytest

from trainer.callbacks.step_callback import Span
from trainer.callbacks.validation import ValidationCallback


def test_figures_are_logged_and_the_best_is_kept():
    asked, lines, said = [], [], []
    values = iter([{"loss": 0.5, "mean": 0.25}, {"loss": 0.25, "mean": 0.125}])

    def save_if_best(step, metric, value, loss):
        asked.append((step, metric, value, loss))
        return step == 10

    callback = ValidationCallback(
        Span(0, 20, 10),
        lambda: next(values),
        types.SimpleNamespace(save_if_best=save_if_best, save=lambda step: asked.append(step)),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: lines.append(line)),
        report=said.append,
    )
    for batch in range(20):
        callback.on_train_batch_end(batch)
    # The steps are saved before anything can go wrong in a validation.
    assert asked == [10, (10, "mean", 0.25, 0.5), 20, (20, "mean", 0.125, 0.25)]
    assert lines == [
        ("validation", 10, {"loss": 0.5, "mean": 0.25}),
        ("validation", 20, {"loss": 0.25, "mean": 0.125}),
    ]
    assert said == [
        "validation at step 10 (best): loss 0.500  mean 0.250",
        "validation at step 20: loss 0.250  mean 0.125",
    ]


def test_each_task_has_a_line_of_its_own():
    said = []
    figures = {"rte/loss": 1.0, "rte/accuracy": 0.5, "stsb/pearson": 0.25, "loss": 2.0, "mean": 0.4}
    callback = ValidationCallback(
        Span(0, 1, 1),
        lambda: figures,
        types.SimpleNamespace(save_if_best=lambda *found: False, save=lambda step: None),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: None),
        report=said.append,
    )
    callback.on_train_batch_end(0)
    assert said == [
        "validation at step 1: loss 2.000  mean 0.400",
        "  rte: loss 1.000  accuracy 0.500",
        "  stsb: pearson 0.250",
    ]


@pytest.mark.parametrize(
    ("span", "validated", "due"),
    [
        (Span(0, 20, 10), 0, False),  # a new run
        (Span(10, 20, 10), 10, False),
        (Span(10, 20, 10), 0, True),  # ended in the validation at step 10
        (Span(13, 20, 10), 10, False),
        (Span(13, 20, 10), 0, True),
        (Span(20, 20, 15), 15, True),  # the last step is always validated
        (Span(20, 20, 20), 20, False),
    ],
)
def test_a_validation_that_was_cut_off_is_made_up_for(span, validated, due):
    done = []
    callback = ValidationCallback(
        span,
        lambda: {"mean": 0.5},
        types.SimpleNamespace(save=lambda step: None, save_if_best=lambda *found: True),
        metric="mean",
        log=types.SimpleNamespace(
            write=lambda kind, step, figures: done.append(step), last_step=lambda kind: validated
        ),
        report=lambda line: None,
    )
    callback.on_train_begin()
    assert done == ([span.first] if due else [])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("metric", "figures", "odd"),
    [
        ("mean", {"mean": NAN}, "mean is nan"),
        ("loss", {"loss": -INF}, "loss is -inf"),
        # Answers read off scores that are no numbers.
        ("mean", {"mean": 0.5, "loss": NAN}, "loss is nan"),
        ("rte/accuracy", {"rte/accuracy": 0.5, "rte/loss": INF, "loss": INF}, "rte/loss is inf"),
        ("rte/accuracy", {"rte/accuracy": 0.5, "rte/loss": 1.0, "loss": NAN}, ""),  # another task
    ],
)
def test_a_figure_that_is_no_number_is_said_and_never_best(metric, figures, odd):
    said, saved = [], []
    callback = ValidationCallback(
        Span(0, 10, 10),
        lambda: figures,
        types.SimpleNamespace(
            save=lambda step: None, save_if_best=lambda *found: saved.append(found) or True
        ),
        metric=metric,
        log=types.SimpleNamespace(write=lambda *line: None),
        report=said.append,
    )
    callback.act(10)
    assert len(saved) == (0 if odd else 1)
    assert ("(best)" in said[0]) == (not odd)
    if odd:
        assert said[-1] == f"{odd} at step 10: no best checkpoint of it"
