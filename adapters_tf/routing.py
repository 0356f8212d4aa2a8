"""Which task's adapters a forward pass uses: the one place where tasks are routed.

T5's own layers know nothing of tasks, so the task travels beside them: `route` holds it while
the backbone runs, and every adapter asks `select_row` for its own row of a task bank.

Shape letters: B batch, K tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

# Replicas of a mirrored strategy trace in threads of their own, each with its own task tensor.
_active = threading.local()


@contextmanager
def route(task_B: tf.Tensor) -> Iterator[None]:
    """Run the enclosed forward pass with the adapters of one task.

    Args:
        task_B: int32 [B], the bank row of every example; all B values are equal
            (task-homogeneous batches), and the first one is used.
    """
    previous = getattr(_active, "task", None)
    _active.task = task_B[0]
    try:
        yield
    finally:
        _active.task = previous


def select_row(bank: tf.Variable) -> tf.Tensor:
    """Read the routed task's row of a task bank.

    The read is one gather with a scalar index, so its gradient is a one-row `tf.IndexedSlices`:
    the other tasks' rows are neither read nor written, however many there are.

    Args:
        bank: [K, …] variable, one row per task.

    Returns:
        The row, shape […].

    Raises:
        RuntimeError: No task is routed; the forward pass ran outside `route`.
    """
    task = getattr(_active, "task", None)
    if task is None:
        raise RuntimeError("adapters need a task: run the backbone inside `with route(task):`")
    return tf.gather(bank, task)
