"""The norm of all gradients together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import tensorflow as tf

from adapters_tf.runtime.target import is_for_tpu
from trainer.gradients.task_rows import TaskRows

# Below this, in elements, a gradient takes a TPU longer to start on than to read.
SMALL = 1 << 16


def global_norm(gradients: Iterable[tf.Tensor | tf.IndexedSlices | TaskRows]) -> tf.Tensor:
    """Compute the root of the sum of squares of every gradient.

    On a TPU small ones of one shape, such as the rows of all layers' banks, are squared together: a
    program of its own for each would take longer to start than to run.

    Args:
        gradients: Dense, slices whose rows are all different, or rows of tasks, of which each
            counts once.

    Returns:
        float32 scalar.
    """
    values = [_values(gradient) for gradient in gradients]
    if not is_for_tpu():
        return tf.linalg.global_norm(values)
    by_shape: dict[tuple[int, ...], list[tf.Tensor]] = defaultdict(list)
    for value in values:
        by_shape[tuple(value.shape)].append(value)
    squares = []
    for alike in by_shape.values():
        is_small = tf.TensorShape(alike[0].shape).num_elements() <= SMALL
        groups = [tf.stack(alike)] if is_small else alike
        squares += [tf.reduce_sum(tf.square(tf.cast(group, tf.float32))) for group in groups]
    return tf.sqrt(tf.add_n(squares))


def _values(gradient: tf.Tensor | tf.IndexedSlices | TaskRows) -> tf.Tensor:
    if isinstance(gradient, TaskRows):
        return gradient.distinct()
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
