"""Choose how a program is distributed, from what the machine has.

TensorFlow fixes its devices at first use, so call these before anything touches a tensor.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.runtime.tpu_failures import explain_tpu_failure
from adapters_tf.runtime.workers import awaiting_others, read_worker
from adapters_tf.tpu_wheel import list_chips

KINDS = ("auto", "tpu", "gpu", "cpu")
PRECISIONS = ("float32", "mixed_bfloat16")
TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_HOSTNAMES")

_WORD = 8  # bytes of an int64


def make_strategy(kind: str = "auto", logical_devices: int = 1) -> tf.distribute.Strategy:
    """Build the distribution strategy for this machine.

    Args:
        kind: `auto` takes a TPU when there is one, else several GPUs, one GPU, or the CPU; the
            others ask for one of them.
        logical_devices: Split the CPU into so many devices, one replica on each: distribution
            that can be tested anywhere.

    Returns:
        TPUStrategy, MirroredStrategy, OneDeviceStrategy, or the default strategy on one CPU.

    Raises:
        ConfigurationError: Unknown kind, no such device, or devices that were already in use.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"strategy kind {kind!r} is unknown; {suggest(kind, KINDS)}")
    if logical_devices < 1:
        raise ConfigurationError(f"logical_devices must be 1 or more, got {logical_devices}")
    if kind == "tpu" or (kind == "auto" and has_tpu()):
        return _make_tpu_strategy()
    gpus = tf.config.list_physical_devices("GPU") if kind in ("auto", "gpu") else []
    if kind == "gpu" and not gpus:
        raise ConfigurationError("strategy kind 'gpu' was asked for and TensorFlow sees no GPU")
    if logical_devices > 1:
        return _make_logical_cpu_strategy(logical_devices)
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    if gpus:
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    return tf.distribute.get_strategy()


def has_tpu() -> bool:
    """Tell whether the environment or the machine's devices announce a TPU."""
    return any(os.environ.get(name) for name in TPU_VARIABLES) or bool(list_chips())


def _make_tpu_strategy() -> tf.distribute.Strategy:
    address = os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu=address)
    except (ValueError, OSError, tf.errors.OpError, RuntimeError) as error:
        failure = explain_tpu_failure(str(error))
        raise ConfigurationError(
            f"no TPU answers at {address!r}: {failure.what}; {failure.mend}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _make_logical_cpu_strategy(count: int) -> tf.distribute.Strategy:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        )
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise ConfigurationError(
                f"{count} logical CPU devices must be asked for before TensorFlow is used"
            ) from error
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(count)])


def make_workers_strategy() -> tf.distribute.Strategy:
    """Build the strategy of several worker processes, which `TF_CONFIG` names.

    Returns:
        MultiWorkerMirroredStrategy; it waits until all workers are there.

    Raises:
        ConfigurationError: The address of this one is taken, or TensorFlow was used already.
    """
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"TF_CONFIG: the workers cannot begin: {reason}") from error


def join_strategy(
    kind: str, logical_devices: int, say: Callable[[str], None]
) -> tf.distribute.Strategy:
    """Build the strategy of the workers that `TF_CONFIG` names, else that of this machine.

    Args:
        kind: As `make_strategy` has it; workers take what they find.
        logical_devices: As `make_strategy` has it; workers have none.
        say: Called with a line while other workers are waited for.

    Returns:
        The strategy.

    Raises:
        ConfigurationError: As `make_strategy` and `make_workers_strategy`.
    """
    worker = read_worker()
    if worker is None:
        return make_strategy(kind, logical_devices)
    with awaiting_others(worker, say):
        return make_workers_strategy()


def ask_all(strategy: tf.distribute.Strategy, value: float) -> list[float]:
    """Exchange a number with all workers; every one of them must call it.

    Args:
        strategy: Of the workers.
        value: This worker's.

    Returns:
        Those of all replicas.
    """
    given = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([value], tf.float64)
    )
    return [float(one) for one in strategy.gather(given, axis=0).numpy()]


def hear_first(strategy: tf.distribute.Strategy, content: bytes | None) -> bytes | None:
    """Give all workers what the first one has; every one of them must call it.

    Args:
        strategy: Of the workers.
        content: The first one's, or None; what the others give is not looked at.

    Returns:
        The first one's.
    """
    worker = read_worker()
    is_first = worker is None or worker.is_chief
    size = -1 if content is None else len(content)
    size = int(ask_all(strategy, size if is_first else 0)[0])
    if size <= 0:
        return None if size < 0 else b""
    words = np.zeros(-(-size // _WORD), np.int64)  # what workers exchange are numbers
    if is_first and content is not None:
        words.view(np.uint8)[:size] = np.frombuffer(content, np.uint8)
    given = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(words)
    )
    return strategy.gather(given, axis=0).numpy()[: len(words)].tobytes()[:size]


def check_xla(strategy: tf.distribute.Strategy, *, sums_over_replicas: bool) -> None:
    """Refuse XLA where it cannot compile; a TPU always compiles.

    Args:
        strategy: What the program is spread over.
        sums_over_replicas: Whether the program adds up over replicas, as a training step does;
            XLA compiles such a sum on TPUs only.

    Raises:
        ConfigurationError: The strategy has several replicas that XLA cannot serve.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1 or isinstance(strategy, tf.distribute.TPUStrategy):
        return
    if not tf.config.list_logical_devices("GPU"):
        raise ConfigurationError(
            f"XLA cannot compile for {replicas} logical CPU devices, which it cannot tell apart; "
            "leave jit_compile off"
        )
    if sums_over_replicas:
        raise ConfigurationError(
            f"XLA cannot compile a step that adds up over {replicas} GPUs; leave jit_compile off"
        )


def set_precision(name: str) -> None:
    """Set the Keras precision policy: variables stay float32, the arithmetic may be bfloat16.

    Args:
        name: One of `PRECISIONS`.

    Raises:
        ConfigurationError: Unknown precision.
    """
    if name not in PRECISIONS:
        raise ConfigurationError(f"precision {name!r} is unknown; {suggest(name, PRECISIONS)}")
    tf_keras.mixed_precision.set_global_policy(name)
