"""Steps that were not taken, counted per task on the device.

Shape letters: K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class SkippedInARow:
    """Steps in a row that were skipped, more than may be.

    Attributes:
        steps: Since the first of them, taken ones that came later included.
        by_task: int32 [K], how many of the skipped ones had a part in them of each task.
    """

    steps: int
    by_task: np.ndarray


class SkippedSteps(tf.Module):
    """Counts skipped steps by task, and those in a row.

    Every replica counts all of them, for each knows what all decided; the first one's are read.

    Args:
        tasks: K, how many.
        most: So many in a row are too many; that they came is remembered.
    """

    def __init__(self, tasks: int, most: int):
        super().__init__(name="skipped_steps")
        self.most = most
        self.by_task = _counter(tasks, "by_task")
        self.row = _counter(None, "row")
        self.row_by_task = _counter(tasks, "row_by_task")

    def update(self, loss_K: tf.Tensor, tokens_K: tf.Tensor, is_taken: tf.Tensor) -> None:
        """Count a step; call it in replica context.

        Args:
            loss_K: float32 [K], of the global batch.
            tokens_K: float32 [K], likewise.
            is_taken: Of the step, bool scalar.
        """
        skipped_K = tf.cast(find_tasks(loss_K, tokens_K) & ~is_taken, tf.int64)
        self.by_task.assign(self.by_task + skipped_K)
        # Too many stay too many, and then the steps since the first are counted.
        is_over = self.row >= self.most
        none = tf.zeros([], tf.int64)
        longer_K = tf.where(is_taken, none, self.row_by_task + skipped_K)
        self.row_by_task.assign(tf.where(is_over, self.row_by_task, longer_K))
        self.row.assign(tf.where(is_taken & ~is_over, none, self.row + 1))

    def read(self) -> np.ndarray:
        """Read and reset how many were skipped of each task, int64 [K]; those in a row stay."""
        by_task = self.by_task.numpy()
        self.by_task.assign(tf.zeros_like(by_task))
        return by_task

    def read_row(self) -> SkippedInARow | None:
        """Read what came in a row; None unless that was too many."""
        steps = int(self.row.numpy())
        return SkippedInARow(steps, self.row_by_task.numpy()) if steps >= self.most else None


def find_tasks(loss_K: tf.Tensor, tokens_K: tf.Tensor) -> tf.Tensor:
    """Find whose step it is that cannot be taken.

    Args:
        loss_K: float32 [K], of the global batch.
        tokens_K: float32 [K], likewise.

    Returns:
        Which tasks, bool [K]: those whose loss is not finite; where all losses are, and a gradient
        is not, every task of the batch.
    """
    is_odd_K = ~tf.math.is_finite(loss_K)
    return tf.where(tf.reduce_any(is_odd_K), is_odd_K, tokens_K > 0)


def _counter(tasks: int | None, name: str) -> tf.Variable:
    return tf.Variable(
        tf.zeros([] if tasks is None else [tasks], tf.int64),
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
