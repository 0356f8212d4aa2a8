"""Which task's adapters a forward pass uses: the one place where tasks are routed.

T5's own layers know nothing of tasks, so the task travels beside them: `route` holds it while
the backbone runs, and every adapter asks here for its own rows of a task bank. Methods are written
once, with `task_vector` and `task_matmul`, and serve both ways of routing: one task for the whole
batch, or one for each example.

Shape letters: B batch, S sequence length, I inputs, O outputs, K tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from adapters_tf.errors import ConfigurationError
from adapters_tf.runtime.products import project

# Replicas of a mirrored strategy trace in threads of their own, each with its own task tensor.
_active = threading.local()


@contextmanager
def route(task_B: tf.Tensor, by_example: bool = False) -> Iterator[None]:
    """Run the enclosed forward pass with the adapters of one task, or of one task per example.

    Args:
        task_B: int32 [B], the bank row of every example.
        by_example: Whether the values differ along B. If not, the batch is of one task and the
            first value is used: that is cheaper.

    Raises:
        ConfigurationError: The tasks differ although routing is by batch. Inside a compiled
            program the values are not known, so there it cannot be told.
    """
    if not by_example:
        _refuse_mixed_tasks(task_B)
    with routed_to(task_B if by_example else task_B[0]):
        yield


def routed_task() -> tf.Tensor | None:
    """Tell what is routed: int32 scalar, by example [B], or None outside a forward pass."""
    return getattr(_active, "task", None)


@contextmanager
def routed_to(task: tf.Tensor | None) -> Iterator[None]:
    """Run what is enclosed as part of a forward pass that has been left.

    Args:
        task: What `routed_task` told there.
    """
    previous = routed_task()
    _active.task = task
    try:
        yield
    finally:
        _active.task = previous


def _refuse_mixed_tasks(task_B: tf.Tensor) -> None:
    if tf.is_tensor(task_B) and not hasattr(task_B, "numpy"):
        return  # symbolic: a program is being traced
    tasks = np.unique(np.asarray(task_B))
    if len(tasks) > 1:
        raise ConfigurationError(
            f"a batch mixes the tasks of rows {', '.join(map(str, tasks))}, and the model routes "
            "by batch: make batches of one task, or build the model with routing='example'"
        )


def select_row(bank: tf.Variable) -> tf.Tensor:
    """Read the routed rows of a task bank.

    Routed by batch, the read is one gather with a scalar index, so its gradient is a one-row
    `tf.IndexedSlices`: the other tasks' rows are neither read nor written, however many there are.

    Args:
        bank: [K, …] variable, one row per task.

    Returns:
        The row, shape […]; routed by example, [B, …].

    Raises:
        RuntimeError: No task is routed; the forward pass ran outside `route`.
    """
    task = routed_task()
    if task is None:
        raise RuntimeError("adapters need a task: run the backbone inside `with route(task):`")
    return tf.gather(bank, task)


def is_routed_by_example() -> bool:
    """Tell whether each example of the forward pass has a task of its own."""
    task = routed_task()
    return task is not None and task.shape.rank == 1


def task_vector(bank: tf.Variable, dtype: tf.DType | None = None) -> tf.Tensor:
    """Read the routed vector, ready to be added to or multiplied with [B, S, O].

    Args:
        bank: [K, O].
        dtype: What to cast to; the bank's own by default.

    Returns:
        [O]; routed by example, [B, 1, O].
    """
    row = align_vector(select_row(bank))
    return row if dtype is None else tf.cast(row, dtype)


def align_vector(row: tf.Tensor) -> tf.Tensor:
    """Shape a routed vector so that it can be added to or multiplied with [B, S, O].

    Args:
        row: [O]; routed by example, [B, O].

    Returns:
        [O]; routed by example, [B, 1, O].
    """
    return row[:, None, :] if is_routed_by_example() else row


def hold_rows(rows: Sequence[tf.Tensor], task: tf.Tensor) -> list[tf.Tensor]:
    """Keep XLA for CPUs and GPUs from reading rows of banks anew wherever they are used.

    It would fuse the reading into everything that uses a row, find that the bank is written while
    another's update still reads it, and copy the whole bank to be safe. It fuses nothing across a
    conditional.

    Args:
        rows: Of one task.
        task: Its number, an integer scalar.

    Returns:
        The same values.
    """
    return tf.cond(
        task >= 0,
        lambda: [tf.identity(row) for row in rows],
        lambda: [tf.zeros_like(row) for row in rows],
    )


def task_matmul(inputs_BSI: tf.Tensor, bank: tf.Variable) -> tf.Tensor:
    """Multiply by the routed matrix.

    Args:
        inputs_BSI: [B, S, I].
        bank: [K, I, O].

    Returns:
        [B, S, O], in the inputs' dtype.
    """
    return multiply_routed(inputs_BSI, select_row(bank))


def multiply_routed(inputs_BSI: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiply by a matrix that was read, or made, for the routed task.

    Args:
        inputs_BSI: [B, S, I].
        kernel: [I, O]; routed by example, [B, I, O].

    Returns:
        [B, S, O], in the inputs' dtype.
    """
    kernel = tf.cast(kernel, inputs_BSI.dtype)
    if is_routed_by_example():
        return tf.matmul(inputs_BSI, kernel)
    return project(inputs_BSI, kernel)


def task_dense(inputs_BSI: tf.Tensor, kernel: tf.Variable, bias: tf.Variable) -> tf.Tensor:
    """Multiply by the routed matrix and add the routed bias, in one product.

    The bias is a row of the matrix that is multiplied with ones: its gradient is then part of the
    matrix's, and costs no pass of its own over [B, S, O].

    Args:
        inputs_BSI: [B, S, I], with I far below O, as the inputs are copied.
        kernel: [K, I, O].
        bias: [K, O].

    Returns:
        [B, S, O], in the inputs' dtype.
    """
    rows = tf.concat([select_row(kernel), select_row(bias)[..., None, :]], -2)
    ones_BS1 = tf.ones_like(inputs_BSI[..., :1])
    return multiply_routed(tf.concat([inputs_BSI, ones_BS1], -1), rows)
