"""Global batches and their way to the replicas.

Shape letters: B global batch.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from prep import UsageError


def share_out(
    strategy: tf.distribute.Strategy, batch: Mapping[str, np.ndarray]
) -> Mapping[str, tf.Tensor]:
    """Give each replica its part of a global batch, the first replica the first rows.

    Args:
        strategy: Whose replicas; their number divides B.
        batch: Arrays [B, …] by key.

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
    """Refuse a batch that the replicas cannot share evenly.

    Args:
        batch_size: Examples per global batch.
        strategy: Whose replicas.

    Raises:
        UsageError: With the nearest batch sizes that work.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        below = batch_size // replicas * replicas
        near = f"{below} or {below + replicas}" if below > 0 else str(replicas)
        raise UsageError(
            f"a batch of {batch_size} cannot be divided among {replicas} replicas; use {near}"
        )


def is_xla_faster(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether a strategy's devices gain by XLA: GPUs do, CPUs don't, TPUs always compile.

    `benchmarks/eval_speed.py` measures it on CPU.
    """
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    # The default strategy can't list its devices, so TensorFlow is asked.
    return not is_tpu and bool(tf.config.list_logical_devices("GPU"))


def takes_any_shape(strategy: tf.distribute.Strategy, jit_compile: bool | None) -> bool:
    """Tell whether a program need not be compiled for its shapes: on a single device, without XLA.

    Args:
        strategy: Where it runs.
        jit_compile: Whether it is compiled; None for where that is faster.

    Returns:
        Whether batches may have any size and length.
    """
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    is_compiled = is_xla_faster(strategy) if jit_compile is None else jit_compile
    return not (is_compiled or is_tpu) and strategy.num_replicas_in_sync == 1
