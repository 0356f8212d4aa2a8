"""Read and write one row of a task bank in place, without branches where a TPU is to do it."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from adapters_tf.runtime.target import is_for_tpu


def choose(is_first: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Choose by a bool scalar; `tf.where` would copy one of them, element by element."""
    return tf.raw_ops.Select(condition=is_first, x=first, y=second)


def slice_row(variable: tf.Variable, index: tf.Tensor) -> tf.Tensor:
    """Read a row; what `tf.gather` makes for a TPU also asks whether there is such a row.

    Args:
        variable: [K, ...].
        index: int32 [1].

    Returns:
        [1, ...].
    """
    return tf.slice(variable, _begin(variable, index), [1, *variable.shape[1:]])


def write_row(variable: tf.Variable, index: tf.Tensor, value: tf.Tensor) -> None:
    """Write a row in place; what a scatter makes for a TPU asks whether there is such a row.

    Args:
        variable: [K, ...].
        index: int32 [1].
        value: [1, ...].
    """
    if is_for_tpu():
        begin = _begin(variable, index)
        variable.assign(xla.dynamic_update_slice(variable, value, begin))
    else:
        variable.scatter_update(tf.IndexedSlices(value, index))


def _begin(variable: tf.Variable, index: tf.Tensor) -> tf.Tensor:
    return tf.pad(index, [[0, variable.shape.rank - 1]])
