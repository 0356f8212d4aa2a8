"""All rows of a split through a token model, on any number of replicas, in their order.

Every global batch has the same static shape; the last one is filled with padding rows whose
output is dropped here, so no example is.

Shapes: B global batch, T decoded length.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tf_keras

from prep import TokenTable, UsageError, make_batch

# Called with the number of examples done after each batch.
Progress = Callable[[int], None]


class TokenPredictor:
    """Runs a Keras model whose output is token ids, as one compiled program per batch shape.

    Args:
        model: an `ArgmaxModel` or a `GreedyModel`.
        strategy: what the model's variables live under.
        batch_size: examples per global batch.
        input_length: S, the static length of inputs in tokens.
        jit_compile: whether to compile with XLA; by default where that is faster.

    Raises:
        UsageError: the batch can't be divided among the replicas, or XLA can't be had.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        strategy: tf.distribute.Strategy,
        *,
        batch_size: int,
        input_length: int,
        jit_compile: bool | None = None,
    ):
        check_batch_size(batch_size, strategy)
        if jit_compile is None:
            jit_compile = is_xla_faster(strategy)
        elif jit_compile:
            check_xla(strategy)
        self.strategy, self.batch_size, self.input_length = strategy, batch_size, input_length
        answer = tf.function(lambda batch: model(batch, training=False), jit_compile=jit_compile)
        self._run = tf.function(lambda batch: strategy.run(answer, args=(batch,)))

    def predict(
        self, table: TokenTable, task: int, report: Progress = lambda done: None
    ) -> np.ndarray:
        """Answers every example of a table.

        Args:
            table: the examples.
            task: the bank row of their task.
            report: told how many examples are done, after each batch.

        Returns:
            int32 [len(table), T] token ids, row by row as in the table.
        """
        answers: list[np.ndarray] = []
        waiting = None
        for rows in padded_rows(len(table), self.batch_size):
            dispatched = (rows, self._dispatch(table, rows, task))
            # Fetching the batch before this one lets the host prepare while the device works.
            if waiting is not None:
                answers.append(self._fetch(*waiting))
                report(self.batch_size * len(answers))
            waiting = dispatched
        if waiting is None:
            return np.zeros((0, 0), np.int32)
        answers.append(self._fetch(*waiting))
        report(len(table))
        return np.concatenate(answers)

    def _dispatch(self, table: TokenTable, rows: np.ndarray, task: int) -> tuple[tf.Tensor, ...]:
        batch = make_batch(table, rows, input_length=self.input_length, target_length=1, task=task)
        # Only what the model looks at travels to the device.
        needed = {key: batch[key] for key in ("encoder_input_tokens", "task")}
        shares = share_out(self.strategy, needed)
        return self.strategy.experimental_local_results(self._run(shares))

    def _fetch(self, rows: np.ndarray, results: tuple[tf.Tensor, ...]) -> np.ndarray:
        return np.concatenate([result.numpy() for result in results])[rows >= 0]


def share_out(
    strategy: tf.distribute.Strategy, batch: Mapping[str, np.ndarray]
) -> Mapping[str, tf.Tensor]:
    """Gives each replica its part of a global batch, the first replica the first rows.

    Args:
        strategy: whose replicas; their number divides B.
        batch: arrays [B, …] by key.

    Returns:
        Per-replica tensors [B / replicas, …] by key, for `strategy.run`.
    """

    def take(context: tf.distribute.experimental.ValueContext) -> dict[str, tf.Tensor]:
        replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
        return {
            key: tf.constant(values[len(values) * replica // replicas :][: len(values) // replicas])
            for key, values in batch.items()
        }

    return strategy.experimental_distribute_values_from_function(take)


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Refuses a batch size that the replicas don't divide.

    Raises:
        UsageError: naming the nearest sizes that would do.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        nearest = max(1, round(batch_size / replicas)) * replicas
        raise UsageError(
            f"a batch of {batch_size} can't be divided among {replicas} replicas; "
            f"use a multiple of {replicas}, such as {nearest}"
        )


def is_xla_faster(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy's devices gain by XLA: GPUs do, CPUs don't, and TPUs always compile.

    `benchmarks/eval_speed.py` measures it on CPU.
    """
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    # The default strategy can't list its devices, so TensorFlow is asked.
    return not is_tpu and bool(tf.config.list_logical_devices("GPU"))


def check_xla(strategy: tf.distribute.Strategy) -> None:
    """Refuses XLA on logical CPU devices, which it can't tell apart.

    Raises:
        UsageError: the strategy has several CPU replicas.
    """
    replicas = strategy.num_replicas_in_sync
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    if replicas > 1 and not is_tpu and not tf.config.list_logical_devices("GPU"):
        raise UsageError(
            f"XLA can't compile for {replicas} logical CPU devices; leave jit_compile off"
        )


def padded_rows(examples: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yields the rows of each batch, the last one filled up with −1.

    Args:
        examples: how many there are.
        batch_size: B.

    Yields:
        int64 [B].
    """
    for first in range(0, examples, batch_size):
        rows = np.arange(first, first + batch_size, dtype=np.int64)
        yield np.where(rows < examples, rows, -1)
