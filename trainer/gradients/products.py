"""Sums and products over the gradients of a step's microbatches, in whole float32.

A TPU multiplies matrices of float32 as bfloat16; what is summed element by element keeps its bits.

Shape letters: M microbatches of a step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import tensorflow as tf

from adapters_tf.runtime.target import is_for_tpu


def weighted_sum(weights: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Add gradients up.

    Args:
        weights: float32 [M], or [N, M] for N sums.
        gradients: float32 [M, ...].

    Returns:
        float32 [...], or [N, ...].
    """
    if not is_for_tpu():
        return tf.tensordot(weights, gradients, 1)
    if weights.shape.rank == 2:
        return tf.stack([weighted_sum(one, gradients) for one in tf.unstack(weights)])
    shape = [-1] + [1] * (gradients.shape.rank - 1)
    return tf.reduce_sum(tf.reshape(weights, shape) * gradients, 0)


def products(gradients: Sequence[tf.Tensor], count: int) -> tf.Tensor:
    """Multiply every gradient with every other.

    Args:
        gradients: By variable, float32 [M, ...].
        count: M.

    Returns:
        float32 [M, M], summed over all variables.
    """
    flat = [tf.reshape(gradient, [count, -1]) for gradient in gradients]
    if not is_for_tpu():
        return tf.add_n([tf.matmul(one, one, transpose_b=True) for one in flat])
    whole: list[list[tf.Tensor]] = [[None] * count for _ in range(count)]
    for row, column in itertools.combinations_with_replacement(range(count), 2):
        product = tf.add_n([tf.reduce_sum(one[row] * one[column]) for one in flat])
        whole[row][column] = whole[column][row] = product
    return tf.stack([tf.stack(row) for row in whole])
