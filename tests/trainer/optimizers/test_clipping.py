"""Gradients are clipped by the norm of all of them, however it is computed."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runtime.target import compiling_for_tpu
from trainer.gradients.norms import SMALL, global_norm


def make_gradients():
    shapes = [(3, 4), (3, 4), (5,), (), (SMALL + 1,), (SMALL + 1,)]
    dense = [tf.random.stateless_normal(shape, [i, 0]) for i, shape in enumerate(shapes)]
    row = tf.IndexedSlices(tf.random.stateless_normal((1, 3, 4), [9, 0]), [2], [7, 3, 4])
    return [*dense, row]


def test_the_norm_is_that_of_all_elements_on_both_devices():
    gradients = make_gradients()
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
    expected = np.sqrt(sum(np.sum(value.numpy().astype(np.float64) ** 2) for value in values))
    np.testing.assert_allclose(global_norm(gradients), expected, rtol=1e-6)
    with compiling_for_tpu():
        np.testing.assert_allclose(global_norm(gradients), expected, rtol=1e-6)


@pytest.mark.slow
def test_a_step_moves_as_far_as_the_clipped_gradients_say(make_optimizer, make_model):
    model = make_model(adapters=False)
    optimizer = make_optimizer(model, "adamw", clip_norm=0.5)
    gradients = [tf.ones(variable.shape) for variable in model.trainable_variables]
    clipped = optimizer.clip(gradients, global_norm(gradients))
    np.testing.assert_allclose(global_norm(clipped), 0.5, rtol=1e-5)
    unbounded = make_optimizer(model, "adamw", clip_norm=None)
    assert unbounded.clip(gradients, global_norm(gradients)) is gradients
