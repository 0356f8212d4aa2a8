"""Dropout that depends on (seed, layer, step, replica) and on nothing else.

Keras draws its masks from a hidden state that no checkpoint holds. With these masks a resumed run
drops the same units as one that was never interrupted.

Which units fall together is the setting `model.dropout`:

- `shared_along_length`: the positions of a row share one mask, as in Mesh TensorFlow and T5X, with
  which the T5 models were trained (`broadcast_dims=(-2,)` in T5X's layers; in attention, all
  queries share one). Few bits are drawn, and a compiled step hardly notices them.
- `per_unit`: every unit falls by itself, as in Hugging Face's T5.

The bits come from the device's generator: on a CPU Philox (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"), on a TPU its own. Drawing them is most of what masks of full size
cost, so on a CPU four units share a word: eight bits decide a unit, and a rate between two of the
256 that they tell apart is met on average. On a TPU that would cost several times the rest of a
step, for every quarter of a word is laid out anew; a unit has a word of its own there. So a run
with `per_unit` that changes from one to the other drops other units, at the same rate.

Shape letters: B batch, S length, D last axis of whatever is dropped.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import (
    all_layers,
    dropout_generator,
    set_dropout_generator,
    stack_dropouts,
)
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.runtime.target import is_for_tpu

DROPOUTS = ("shared_along_length", "per_unit")

_BITS = 8  # that decide one unit
_UNITS = 32 // _BITS  # that share a word
_MOST_USES = 2  # of a layer, in one forward pass
_PHILOX, _DEVICES_OWN = 1, 3  # `tf.random.Algorithm`, as the raw operation counts them

Shape = Sequence[int | tf.Tensor]
DrawMask = Callable[[Shape, float, tf.Tensor, tf.Tensor], tf.Tensor]


def shared_mask(shape: Shape, rate: float, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Draw one mask for all positions of a row.

    Args:
        shape: [..., S, D]; with fewer than three axes there is no length, and nothing is shared.
        rate: Below 1, met to 2^-24.
        key: uint64 [1].
        counter: uint64 [2].

    Returns:
        float32 [..., 1, D], 1 where units stay and 0 where they fall.
    """
    if len(shape) > 2:
        shape = [*shape[:-2], 1, shape[-1]]
    return word_mask(shape, rate, key, counter)


def word_mask(shape: Shape, rate: float, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Draw a mask of full size, a word for every unit, from the device's own generator.

    Args:
        shape: Any.
        rate: Below 1, met to 2^-24.
        key: uint64 [1].
        counter: uint64 [2].

    Returns:
        float32, of the shape, 1 where units stay and 0 where they fall.
    """
    words = _draw_words(shape, key, counter, _DEVICES_OWN)
    uniform = tf.cast(words, tf.float32) / 2**32 + 0.5
    # Not a comparison: truth values would be packed into bits, at more than the price of the draw.
    return tf.minimum(tf.floor(uniform + (1 - rate)), 1.0)


def packed_mask(shape: Shape, rate: float, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Draw a mask of full size, four units from a word.

    Args:
        shape: Of at least one axis.
        rate: At most 255/256. The share that one mask drops is drawn from the two multiples of
            2^-8 beside it, such that its mean is the rate.
        key: uint64 [1].
        counter: uint64 [2].

    Returns:
        float32, of the shape, 1 where units stay and 0 where they fall.

    Raises:
        ConfigurationError: The rate is one that eight bits cannot tell from 1.
    """
    if rate > 1 - 1 / (1 << _BITS):
        raise ConfigurationError(
            f"model.dropout per_unit: a rate must be from 0 to 255/256, got {rate}"
        )
    *leading, D = shape
    words = _draw_words([*leading, -(-D // _UNITS)], key, counter, _PHILOX)
    # A key of its own for the draw of the threshold: the words' is `key`. XLA and TensorFlow draw
    # the same four words, and not the same one.
    draw = _draw_words([4], tf.bitwise.invert(key), counter, _PHILOX)[0]
    share = tf.cast(draw, tf.float32) / 2**32 + 0.5
    dropped = tf.minimum(tf.cast(tf.floor(rate * (1 << _BITS) + share), tf.int32), 255)
    # The upper bits of a word alone decide, for the lower bits of the threshold are zero.
    threshold = tf.bitwise.left_shift(dropped, 32 - _BITS) + tf.int32.min
    kept = [tf.bitwise.left_shift(words, _BITS * unit) >= threshold for unit in range(_UNITS)]
    return tf.cast(tf.concat(kept, -1)[..., :D], tf.float32)


def full_mask(shape: Shape, rate: float, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Draw a mask of full size the way that is fast on the device it is traced for.

    Args:
        shape: Of at least one axis.
        rate: Below 1, on a CPU at most 255/256.
        key: uint64 [1].
        counter: uint64 [2].

    Returns:
        float32, of the shape, 1 where units stay and 0 where they fall.
    """
    draw = word_mask if is_for_tpu() else packed_mask
    return draw(shape, rate, key, counter)


def axis_sizes(inputs: tf.Tensor) -> list[int | tf.Tensor]:
    """List the sizes of the axes.

    Args:
        inputs: Of any shape.

    Returns:
        Numbers where they are known, and int32 scalars where not.
    """
    sizes = tf.shape(inputs)
    return [known or sizes[axis] for axis, known in enumerate(inputs.shape)]


def _draw_words(shape: Shape, key: tf.Tensor, counter: tf.Tensor, algorithm: int) -> tf.Tensor:
    # `tf.random.stateless_uniform` would hash its seed first, with three more draws for each mask.
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.stack(shape) if shape else tf.zeros([0], tf.int32),
        key=key,
        counter=counter,
        alg=algorithm,
        dtype=tf.int32,
    )


# Replicas of a mirrored strategy trace in threads of their own.
_active = threading.local()


@contextmanager
def microbatch(number: int | tf.Tensor, of: int) -> Iterator[None]:
    """Draw the enclosed forward pass's masks as one of several in a training step.

    Args:
        number: Which one, from 0; may be a scalar int64 tensor.
        of: How many the step has.
    """
    previous = getattr(_active, "microbatch", (0, 1))
    _active.microbatch = (number, of)
    try:
        yield
    finally:
        _active.microbatch = previous


class StepDropoutGenerator:
    """Stand in for the random generator of one Keras Dropout layer.

    Args:
        seed: Of the run.
        layer: The layer's number.
        step: int64 scalar variable, the count of training steps done.
        draw: Draws the masks.
        uses: How many masks a forward pass draws of this layer; each has a key of its own.
    """

    def __init__(self, seed: int, layer: int, step: tf.Variable, draw: DrawMask, uses: int = 1):
        self.seed, self.layer, self.step, self.draw = seed, layer, step, draw
        self.use = itertools.cycle(range(uses))

    def dropout(self, inputs: tf.Tensor, rate: float, noise_shape: None = None) -> tf.Tensor:
        """Drop units of this step and this replica; Keras calls it, and T5 asks for no shape."""
        if noise_shape is not None:
            raise NotImplementedError("the shape of dropout masks is set for the whole model")
        # Rounded to bfloat16, 1 / 0.9 would change the mean by a tenth of a per cent and more.
        scale = self.mask(axis_sizes(inputs), rate) * (1 / (1 - rate))
        return tf.cast(tf.cast(inputs, tf.float32) * scale, inputs.dtype)

    def mask(self, shape: Shape, rate: float) -> tf.Tensor:
        """Draw which units stay.

        Args:
            shape: Of what is dropped.
            rate: The share that falls, from 0 to below 1.

        Returns:
            float32, of a shape that broadcasts to the one given: 1 where units stay, 0 where they
            fall.

        Raises:
            ConfigurationError: The rate is none that can be drawn.
        """
        if not 0 <= rate < 1:
            raise ConfigurationError(f"a dropout rate must be from 0 to below 1, got {rate}")
        # Whatever decides a mask is in the key and the counter's first word: a TPU's generator
        # takes no more. A mask counts up by one for four words.
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        site = self.layer * _MOST_USES + next(self.use)
        key = tf.constant([(self.seed % 2**32) * 2**32 + site], tf.uint64)
        key += tf.cast(tf.cast(replica, tf.int64) * 2**16, tf.uint64)
        number, of = getattr(_active, "microbatch", (0, 1))
        step = tf.cast(self.step, tf.int64)
        if of > 1:
            step = step * of + number
        first = tf.bitwise.left_shift(step, 32)
        counter = tf.cast(tf.stack([first, 0]), tf.uint64)
        return self.draw(shape, rate, key, counter)


def dropout_mask(layer: tf_keras.layers.Dropout, shape: Shape) -> tf.Tensor | None:
    """Draw which of its inputs' units a dropout layer would keep.

    Args:
        layer: With this module's masks or Keras's own.
        shape: Of its inputs.

    Returns:
        float32, of a shape that broadcasts to the one given: 1 where units stay, 0 where they
        fall; None where nothing is dropped.
    """
    if not layer.rate:
        return None
    generator = dropout_generator(layer)
    if isinstance(generator, StepDropoutGenerator):
        return generator.mask(shape, layer.rate)
    return tf.sign(layer(tf.ones(tf.stack(shape), tf.float32), training=True))


def make_dropout_stateless(
    model: tf_keras.Model, seed: int, step: tf.Variable, kind: str = "shared_along_length"
) -> int:
    """Tie every dropout mask of a model to the training step.

    Args:
        model: Any Keras 2 model that is already built.
        seed: Of the run.
        step: int64 scalar variable, the count of training steps done.
        kind: One of `DROPOUTS`.

    Returns:
        How many dropout layers were found.

    Raises:
        ConfigurationError: Unknown kind.
    """
    if kind not in DROPOUTS:
        raise ConfigurationError(f"model.dropout {kind!r} is unknown; {suggest(kind, DROPOUTS)}")
    draw = shared_mask if kind == "shared_along_length" else full_mask
    layers = [layer for layer in all_layers(model) if isinstance(layer, tf_keras.layers.Dropout)]
    of_stacks = stack_dropouts(model)
    for index, layer in enumerate(layers):
        uses = _MOST_USES if any(layer is one for one in of_stacks) else 1
        set_dropout_generator(layer, StepDropoutGenerator(seed, index, step, draw, uses))
    return len(layers)
