"""Dropout that depends on (seed, layer, step, replica) and on nothing else.

Keras draws its masks from a hidden state that no checkpoint holds. With these masks a resumed run
drops the same units as one that was never interrupted.

Eight random bits decide a unit, so one random word serves four: drawing the bits is most of what
dropout costs. Eight bits tell 256 rates apart; one between two of them is met on average, by
drawing which of the two a mask has.

Shape letters: D last axis of whatever is dropped.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import all_layers, set_dropout_generator
from adapters_tf.errors import ConfigurationError

_BITS = 8  # that decide one unit
_UNITS = 32 // _BITS  # that share a word


def draw_dropout(inputs: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
    """Zero units with the given probability and scale the others so that the mean stays.

    Args:
        inputs: Floats of any shape with at least one axis.
        rate: From 0 to 255/256. The share that one mask drops is drawn from the two multiples of
            2^-8 beside it, such that its mean is the rate.
        seed: int32 [2]; the same seed and shape give the same mask (Philox counters).

    Returns:
        As `inputs`.

    Raises:
        ConfigurationError: The rate is none that eight bits can tell from 0 or 1.
    """
    if not 0 <= rate <= 1 - 1 / (1 << _BITS):
        raise ConfigurationError(f"a dropout rate must be from 0 to 255/256, got {rate}")
    shape = tf.shape(inputs)
    D = inputs.shape[-1] or shape[-1]
    shape = tf.concat([shape[:-1], [-(-D // _UNITS)]], 0)
    words = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    threshold = _draw_threshold(rate, seed)
    kept = [tf.bitwise.left_shift(words, _BITS * unit) >= threshold for unit in range(_UNITS)]
    mask = tf.cast(tf.concat(kept, -1)[..., :D], inputs.dtype)
    return inputs * (mask * tf.cast(1 / (1 - rate), inputs.dtype))


def _draw_threshold(rate: float, seed: tf.Tensor) -> tf.Tensor:
    """Choose the word below which a unit is dropped, as signed words are ordered.

    The upper bits of a word alone decide it, for the lower bits of the threshold are zero.
    """
    # A counter of its own: the words' are those of `seed`.
    draw = tf.random.stateless_uniform([], tf.bitwise.invert(seed), alg="philox")
    dropped = tf.cast(tf.floor(rate * (1 << _BITS) + draw), tf.int32)
    return tf.bitwise.left_shift(dropped, 32 - _BITS) + tf.int32.min


class StepDropoutGenerator:
    """Stand in for the random generator of one Keras Dropout layer.

    Args:
        seed: Of the run and the layer.
        step: int64 scalar variable, the count of training steps done.
    """

    def __init__(self, seed: int, step: tf.Variable):
        self.seed, self.step = seed, step

    def dropout(self, inputs: tf.Tensor, rate: float, noise_shape: None = None) -> tf.Tensor:
        """Drop units of this step and this replica; Keras calls it, and T5 asks for no shape."""
        if noise_shape is not None:
            raise NotImplementedError("dropout masks are of the inputs' own shape")
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(self.step, tf.int32)
        seed = tf.stack([self.seed + 65_537 * tf.cast(replica, tf.int32), step])
        return draw_dropout(inputs, rate, seed)


def make_dropout_stateless(model: tf_keras.Model, seed: int, step: tf.Variable) -> int:
    """Tie every dropout mask of a model to the training step.

    Args:
        model: Any Keras 2 model that is already built.
        seed: Of the run.
        step: int64 scalar variable, the count of training steps done.

    Returns:
        How many dropout layers were found.
    """
    layers = [layer for layer in all_layers(model) if isinstance(layer, tf_keras.layers.Dropout)]
    for index, layer in enumerate(layers):
        set_dropout_generator(layer, StepDropoutGenerator(1_000_003 * seed + index, step))
    return len(layers)
