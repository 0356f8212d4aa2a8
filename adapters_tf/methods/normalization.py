"""Layer norm with mean and bias, whose gradient is written out.

What automatic differentiation makes of the mean and the variance passes over the activations twice
as often as the closed form does; adapters are narrow, so their norms are a large part of them.

Shape letters: D last axis.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras


def normalize(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Normalise over the last axis (Ba et al. 2016, arXiv 1607.06450).

    Args:
        inputs: [..., D].
        gamma: Scale, broadcast against the inputs.
        beta: Bias, likewise.
        epsilon: Added to the variance.

    Returns:
        [..., D].
    """
    return standardize(inputs, epsilon) * gamma + beta


def scale_to_unit(inputs: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Give the last axis a root mean square of 1, as T5's norm does before its scale.

    Args:
        inputs: [..., D].
        epsilon: Added to the mean square.

    Returns:
        [..., D], in the inputs' dtype.
    """
    square = tf.reduce_mean(tf.square(inputs), axis=-1, keepdims=True)
    return inputs * tf.math.rsqrt(square + epsilon)


def standardize(inputs: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Give the last axis mean 0 and variance 1.

    Args:
        inputs: [..., D].
        epsilon: Added to the variance.

    Returns:
        h = (x - mean) / s, with s² = variance + epsilon, [..., D].
    """

    @tf.custom_gradient
    def apply(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        centred = inputs - tf.reduce_mean(inputs, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
        inverse = tf.math.rsqrt(variance + epsilon)
        outputs = centred * inverse

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            """Compute the gradient by inputs: (g - mean(g) - h mean(g h)) / s, with g upstream."""
            mean = tf.reduce_mean(upstream, -1, keepdims=True)
            slope = tf.reduce_mean(upstream * outputs, -1, keepdims=True)
            return inverse * (upstream - (mean + outputs * slope))

        return outputs, gradient

    return apply(inputs)


class LayerNorm(tf_keras.layers.LayerNormalization):
    """Keras's layer, over the last axis, with the gradient above."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalise [..., D], in float32 whatever the inputs' dtype, which comes back."""
        gamma, beta = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        outputs = normalize(tf.cast(inputs, tf.float32), gamma, beta, self.epsilon)
        return tf.cast(outputs, inputs.dtype)
