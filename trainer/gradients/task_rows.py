"""Gradients of several tasks' rows of one bank.

Shape letters: M microbatches of a step.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from trainer.gradients.products import weighted_sum


class TaskRows(NamedTuple):
    """The rows of a bank that a step's microbatches were routed to.

    Microbatches of one task have the same gradient here, the one that the step takes: what is
    computed of them comes out the same, and may be written twice.

    Attributes:
        values: float32 [M, ...].
        rows: int32 [M].
        is_first: bool [M], whether no microbatch before has the same row.
    """

    values: tf.Tensor
    rows: tf.Tensor
    is_first: tf.Tensor

    def distinct(self) -> tf.Tensor:
        """Blank out what is there a second time, for sums over all that is different."""
        shape = [-1] + [1] * (self.values.shape.rank - 1)
        return self.values * tf.reshape(tf.cast(self.is_first, self.values.dtype), shape)


def gather_rows(rows: tf.Tensor, tokens: tf.Tensor, gradients: tf.Tensor) -> TaskRows:
    """Give each task the mean over the tokens of all its microbatches.

    Args:
        rows: int32 [M], the bank's row of each microbatch.
        tokens: float32 [M], of each.
        gradients: float32 [M, ...], of the mean loss of each.

    Returns:
        The rows' gradients.
    """
    is_same_MM = rows[:, None] == rows
    tokens_MM = tf.where(is_same_MM, tokens, 0.0)
    shares_MM = tokens_MM / tf.maximum(tf.reduce_sum(tokens_MM, 1, keepdims=True), 1.0)
    same_before_MM = tf.linalg.band_part(tf.cast(is_same_MM, tf.int32), -1, 0)
    is_first_M = tf.reduce_sum(same_before_MM, 1) == 1
    return TaskRows(weighted_sum(shares_MM, gradients), rows, is_first_M)
