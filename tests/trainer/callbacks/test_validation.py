"""Validation between steps: its figures are logged, and the best step is kept."""

import contextlib
import types

import pytest

from trainer.callbacks.step_callback import Span
from trainer.callbacks.validation import ValidationCallback
from trainer.run.full_disk import SpaceWait
from trainer.run.metrics_log import MetricsLog

HEAD = "      now  best  at step"  # of a table of no tasks


def test_figures_are_logged_and_the_best_is_kept():
    asked, lines, said = [], [], []
    values = iter([{"loss": 0.5, "mean": 0.25}, {"loss": 0.25, "mean": 0.125}])

    def save_if_best(step, metric, value, loss):
        asked.append((step, metric, value, loss))
        return step == 10

    callback = ValidationCallback(
        Span(0, 20, 10),
        lambda: next(values),
        types.SimpleNamespace(
            rows=None, save_if_best=save_if_best, save=lambda step: asked.append(step)
        ),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: lines.append(line), lines=lambda kind: []),
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
        HEAD,
        "validation at step 20: loss 0.250  mean 0.125",
        HEAD,
    ]


def test_each_task_has_lines_of_its_own():
    said = []
    figures = {"rte/loss": 1.0, "rte/accuracy": 0.5, "stsb/pearson": 0.25, "loss": 2.0, "mean": 0.4}
    callback = ValidationCallback(
        Span(0, 1, 1),
        lambda: figures,
        types.SimpleNamespace(rows=None, save_if_best=lambda *found: False, save=lambda step: None),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: None, lines=lambda kind: []),
        report=said.append,
        part="20 of 76 examples",
    )
    callback.on_train_batch_end(0)
    assert said == [
        "validation at step 1, 20 of 76 examples: loss 2.000  mean 0.400",
        "                    now   best  at step",
        "  rte   loss      1.000  1.000        1",
        "        accuracy  0.500  0.500        1",
        "  stsb  pearson   0.250  0.250        1",
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
    done, wait = [], SpaceWait()
    callback = ValidationCallback(
        span,
        lambda: {"mean": 0.5},
        types.SimpleNamespace(
            rows=None, save=lambda step: None, save_if_best=lambda *found: True, wait=wait
        ),
        metric="mean",
        log=types.SimpleNamespace(
            write=lambda kind, step, figures: done.append(step),
            last_step=lambda kind: validated,
            lines=lambda kind: [],
        ),
        report=lambda line: None,
    )
    with contextlib.closing(wait.signals):
        callback.on_train_begin()
    assert done == ([span.first] if due else [])


def test_a_validation_is_left_where_the_program_is_told_to_stop():
    """Nothing is logged of it, and no checkpoint is best by half of it."""
    wait, done, said = SpaceWait(), [], []

    def validate():
        wait.signals.received = "SIGTERM"
        wait.signals.check()

    callback = ValidationCallback(
        Span(0, 10, 5),
        validate,
        types.SimpleNamespace(rows=None, save=done.append, save_if_best=done.append, wait=wait),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: done.append(line), lines=lambda kind: []),
        report=said.append,
    )
    callback.on_train_batch_end(4)
    assert done == [5] and callback.was_left
    assert said == [
        "SIGTERM: the validation at step 5, which is saved, was left; the same command makes up "
        "for it"
    ]


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
            rows=None,
            save=lambda step: None,
            save_if_best=lambda *found: saved.append(found) or True,
        ),
        metric=metric,
        log=types.SimpleNamespace(write=lambda *line: None, lines=lambda kind: []),
        report=said.append,
    )
    callback.act(10)
    assert len(saved) == (0 if odd else 1)
    assert ("(best)" in said[0]) == (not odd)
    if odd:
        assert said[-1] == f"{odd} at step 10: no best checkpoint of it"


def make_patient(tmp_path, means, patience=2):
    """A callback whose best step is that of the highest mean so far, and its log."""
    best = {"step": 0, "value": -INF}

    def save_if_best(step, metric, value, loss):
        if value <= best["value"]:
            return False
        best.update(step=step, value=value)
        return True

    said, values = [], iter(means)
    callback = ValidationCallback(
        Span(0, 100, 10),
        lambda: {"loss": 1.0, "mean": next(values)},
        types.SimpleNamespace(
            rows=None,
            save=lambda step: None,
            save_if_best=save_if_best,
            best_step=lambda: best["step"],
        ),
        metric="mean",
        log=MetricsLog(tmp_path, 0),
        report=said.append,
        patience=patience,
    )
    callback.set_model(types.SimpleNamespace(stop_training=False))
    return callback, said


def test_training_stops_after_as_many_validations_without_a_better_one(tmp_path):
    callback, said = make_patient(tmp_path, [0.1, 0.3, 0.2, 0.4, 0.4, 0.3])
    for step in (10, 20, 30, 40, 50):
        callback.act(step)
        assert not callback.model.stop_training and not callback.is_over()
    callback.act(60)
    assert callback.model.stop_training and callback.is_over()
    assert said[-1] == (
        "no better in 2 validations since step 40: training stops (training.patience)"
    )


def test_without_patience_it_goes_on(tmp_path):
    callback, _ = make_patient(tmp_path, [0.4] + [0.1] * 9, patience=0)
    for step in range(10, 101, 10):
        callback.act(step)
    assert not callback.model.stop_training and not callback.is_over()
