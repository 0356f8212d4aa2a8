"""The losses of heads beside their definitions, in numpy."""

import types

import numpy as np
import pytest
import tensorflow as tf

from trainer.losses.heads import sum_head_losses
from trainer.losses.tokens import TokenLoss

NEVER = -1e9
# Tasks of three classes, of two, and of a number.
HEADS = types.SimpleNamespace(
    is_number=lambda tasks: tf.gather(tf.constant([False, False, True]), tasks),
    count_answers=lambda tasks: tf.gather(tf.constant([3, 2, 1]), tasks),
)
TASKS = np.array([0, 1, 2, 0, 1])
SCORES = np.array(
    [[1.0, -2.0, 0.5], [0.3, 0.1, NEVER], [2.5, NEVER, NEVER], [-1.0, 4.0, 1.0], [1.5, -1.5, NEVER]]
)
LABELS = np.array([2.0, 1.0, -1.5, 1.0, 0.0])
WEIGHTS = np.array([1.0, 2.0, 1.0, 0.0, 0.5])


def by_hand(smoothing, gamma):
    losses = []
    for task, scores, label, weight in zip(TASKS, SCORES, LABELS, WEIGHTS, strict=True):
        if task == 2:
            losses.append(weight * (scores[0] - label) ** 2)
            continue
        classes = scores[: (3, 2)[task]]
        logs = classes - np.log(np.exp(classes).sum())
        wanted = np.full(len(classes), smoothing / len(classes))
        wanted[int(label)] += 1 - smoothing
        focus = (1 - np.exp(logs[int(label)])) ** gamma if gamma else 1.0
        losses.append(-weight * focus * (wanted * logs).sum())
    return np.array(losses)


@pytest.mark.parametrize(("smoothing", "gamma"), [(0.0, 0.0), (0.1, 0.0), (0.0, 2.0), (0.2, 0.5)])
def test_losses_are_what_numpy_computes(smoothing, gamma):
    batch = {
        "task": tf.constant(TASKS),
        "labels": tf.constant(LABELS, tf.float32),
        "label_weights": tf.constant(WEIGHTS, tf.float32),
    }
    scores = tf.constant(SCORES, tf.float32)
    kind = TokenLoss(label_smoothing=smoothing, focal_gamma=gamma)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        total, losses = sum_head_losses(HEADS, scores, batch, kind)
    expected = by_hand(smoothing, gamma)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)
    slopes = tape.gradient(total, scores).numpy()
    assert np.isfinite(slopes).all()
    assert not slopes[SCORES == NEVER].any() and not slopes[3].any()
    assert np.isclose(slopes[2, 0], 2 * (2.5 + 1.5))


def test_what_is_certain_has_no_slope_that_is_not_finite():
    """In float32 the probability of the right class is 1 here, and a focal weight's root is not."""
    batch = {
        "task": tf.constant([1]),
        "labels": tf.constant([0.0]),
        "label_weights": tf.constant([1.0]),
    }
    scores = tf.constant([[40.0, -40.0, NEVER]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        total, _ = sum_head_losses(HEADS, scores, batch, TokenLoss(focal_gamma=0.5))
    assert np.isfinite(tape.gradient(total, scores).numpy()).all() and float(total) >= 0
