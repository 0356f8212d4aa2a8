"""The layer norm with a written-out gradient, against Keras's own."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf.methods.normalization import LayerNorm, normalize

EPSILON = 1e-5


def gradients(layer, inputs, upstream):
    """The outputs, and the gradients of the inputs and of every weight."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
    return outputs, tape.gradient(
        outputs, [inputs, *layer.trainable_variables], output_gradients=upstream
    )


@pytest.mark.parametrize("shape", [(7, 24), (3, 5, 64)])
def test_outputs_and_gradients_are_those_of_keras(shape):
    inputs = 3 + 2 * tf.random.stateless_normal(shape, [0, 1])
    upstream = tf.random.stateless_normal(shape, [0, 2])
    ours, keras = LayerNorm(epsilon=EPSILON), tf_keras.layers.LayerNormalization(epsilon=EPSILON)
    for layer in (ours, keras):
        layer.build(shape)
        layer.set_weights([np.linspace(0.5, 2, shape[-1]), np.linspace(-1, 1, shape[-1])])
    outputs, found = gradients(ours, inputs, upstream)
    expected_outputs, expected = gradients(keras, inputs, upstream)
    np.testing.assert_allclose(outputs, expected_outputs, atol=2e-6)
    for gradient, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, other, atol=2e-5)


def test_the_gradient_is_that_of_differences():
    inputs = tf.random.stateless_normal([4, 6], [5, 6], dtype=tf.float64)
    gamma, beta = tf.constant(np.linspace(0.5, 2, 6)), tf.zeros([6], tf.float64)

    def apply(x):
        return tf.reduce_sum(tf.sin(normalize(x, gamma, beta, EPSILON)))

    analytic, numeric = tf.test.compute_gradient(apply, [inputs], delta=1e-6)
    np.testing.assert_allclose(analytic[0], numeric[0], atol=1e-8)


def test_half_precision_is_normalised_in_float32():
    layer = LayerNorm(epsilon=EPSILON, dtype="mixed_bfloat16")
    inputs = tf.cast(1000 + tf.random.stateless_normal([8, 512], [0, 1]), tf.bfloat16)
    outputs = layer(inputs)
    assert outputs.dtype == tf.bfloat16
    expected = LayerNorm(epsilon=EPSILON)(tf.cast(inputs, tf.float32))
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, rtol=2**-8)
