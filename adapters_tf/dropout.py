"""Dropout that depends on (seed, layer, step, replica) and on nothing else.

Keras draws its masks from a hidden state that no checkpoint holds. With these masks a resumed run
drops the same units as one that was never interrupted.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras


class StepDropoutGenerator:
    """Stand in for the random generator of one Keras Dropout layer.

    Args:
        seed: Of the run and the layer.
        step: int64 scalar variable, the count of training steps done.
    """

    def __init__(self, seed: int, step: tf.Variable):
        self.seed, self.step = seed, step

    def dropout(self, inputs: tf.Tensor, rate: float, noise_shape=None) -> tf.Tensor:
        """Zero units with the given probability and scale the others by 1 / (1 - rate)."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(self.step, tf.int32)
        seed = tf.stack([self.seed + 65_537 * tf.cast(replica, tf.int32), step])
        return tf.nn.experimental.stateless_dropout(
            inputs, rate, seed, rng_alg="philox", noise_shape=noise_shape
        )


def make_dropout_stateless(model: tf_keras.Model, seed: int, step: tf.Variable) -> int:
    """Tie every dropout mask of a model to the training step.

    Args:
        model: Any Keras 2 model that is already built.
        seed: Of the run.
        step: int64 scalar variable, the count of training steps done.

    Returns:
        How many dropout layers were found.
    """
    layers = [
        layer for layer in model._flatten_layers() if isinstance(layer, tf_keras.layers.Dropout)
    ]
    for index, layer in enumerate(layers):
        if not layer.built:
            layer.build(tf.TensorShape(None))  # or Keras would set up its own generator later
        layer._random_generator = StepDropoutGenerator(1_000_003 * seed + index, step)
    return len(layers)
