"""An optimizer's arithmetic as functions of TensorFlow's, traced once for all variables of a shape.

To trace it anew for each of some hundred variables took three tenths of a step's tracing.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from trainer.optimizers.rows import choose

Tensors = dict[str, tf.Tensor]
Held = tuple[tf.Tensor, tf.Tensor, Tensors]
Taken = tuple[tf.Tensor, tf.Tensor, Tensors]


class TracedStep:
    """A step that is taken only where gradients and losses are finite.

    `whole` and `row` take whether it is taken (bool scalar), the gradient, the value and the slots
    together, and the learning rate (float32 scalar), and return the new value, what was added to
    it, and the new slots. All but the scalars have, for `row`, an axis of length one before their
    own.

    Args:
        update: Computes the new value and slots of gradient, value, slots and learning rate.
    """

    def __init__(
        self,
        update: Callable[[tf.Tensor, tf.Tensor, Tensors, tf.Tensor], tuple[tf.Tensor, Tensors]],
    ):
        self._update = update
        self.whole = tf.function(self._take, autograph=False)
        self.row = tf.function(self._take_row, autograph=False)

    def _take(self, is_finite: tf.Tensor, held: Held, rate: tf.Tensor) -> Taken:
        gradient, value, slots = held
        stepped, new = self._update(gradient, value, slots, rate)
        kept = choose(is_finite, stepped, value)
        new_slots = {name: choose(is_finite, new[name], slot) for name, slot in slots.items()}
        return kept, kept - value, new_slots

    def _take_row(self, is_finite: tf.Tensor, held: Held, rate: tf.Tensor) -> Taken:
        row = tf.nest.map_structure(lambda tensor: tf.squeeze(tensor, 0), held)
        taken = self._take(is_finite, row, rate)
        return tf.nest.map_structure(lambda tensor: tf.expand_dims(tensor, 0), taken)
