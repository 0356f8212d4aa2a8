"""Gradients or a loss that are not finite leave every weight, slot and step count as it was."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.optimizers.registry import OPTIMIZERS

NAN, INF = float("nan"), float("inf")


def slices(values, rows):
    values = tf.constant(values, tf.float32)[None] + tf.zeros([len(rows), 2, 2])
    return tf.IndexedSlices(values, tf.constant(rows), tf.constant([3, 2, 2]))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("rows", [[1], [0, 1, -1]])  # one task's, or those of a mixed batch
def test_nothing_changes_but_the_count_of_steps(name, clip_norm, rows):
    matrix, vector = tf.Variable(tf.ones([2, 3])), tf.Variable(tf.ones([3]))
    bank = tf.Variable(tf.ones([3, 2, 2]))
    optimizer = OPTIMIZERS[name](0.1, lambda v: v is bank, clip_norm=clip_norm, weight_decay=0.1)
    variables = [matrix, vector, bank]
    optimizer.build(variables)

    def take(matrix_value=1.0, bank_value=1.0, loss=1.0):
        gradients = [tf.fill([2, 3], matrix_value), tf.ones([3]), slices(bank_value, rows)]
        return bool(optimizer.take_step(zip(gradients, variables, strict=True), tf.constant(loss)))

    def state():
        slots = [slot for slots in optimizer._slots for slot in slots.values()]
        return [value.numpy().tobytes() for value in (*variables, *slots)]

    assert take()
    before = state()
    odd = [{"matrix_value": NAN}, {"bank_value": -INF}, {"loss": INF}, {"loss": NAN}]
    # Finite ones whose norm is not cannot be clipped.
    odd.append({"matrix_value": 3e38})
    for one in odd:
        assert not take(**one)
        assert state() == before
    assert int(optimizer.iterations.numpy()) == 1 + len(odd)
    assert take() and state() != before
    assert all(np.isfinite(value.numpy()).all() for value in (*variables, *optimizer.variables))
