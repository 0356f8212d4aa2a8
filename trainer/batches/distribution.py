"""Batches to the replicas."""

import numpy as np
import tensorflow as tf

from prep import UsageError
from trainer.batches.mixture_batches import MixtureBatches

THIS_PROCESS = (None, "localhost")


def check_hosts(strategy: tf.distribute.Strategy) -> None:
    """Refuse devices that other processes feed: batches are made in this one.

    Args:
        strategy: What a run is spread over.

    Raises:
        UsageError: Its devices belong to other hosts.
    """
    if not isinstance(strategy, tf.distribute.TPUStrategy):
        return
    for device in strategy.extended.worker_devices:
        job = tf.DeviceSpec.from_string(device).job
        if job not in THIS_PROCESS:
            raise UsageError(
                f"{device} is fed by another process (job {job!r}), and batches are made in this "
                "one; run on the TPU VM itself, with TPU_NAME=local"
            )


def make_dataset(
    batches: MixtureBatches, share: int, replicas: range, first_step: int
) -> tf.data.Dataset:
    """Stream a host's part of the batches, one replica's share an element.

    Args:
        batches: The run's global batches.
        share: Rows per replica and batch.
        replicas: The replicas of this host; they take consecutive elements.
        first_step: Where to start.

    Returns:
        Elements with the batch keys, [share, …] each, in step order.
    """

    def load(index: np.ndarray) -> list[np.ndarray]:
        step, place = divmod(int(index), len(replicas))
        replica = replicas[place]
        batch = batches.batch(step, replica * share, (replica + 1) * share)
        return [batch[key.name] for key in batches.keys]

    types = [tf.as_dtype(key.dtype) for key in batches.keys]
    lengths = {"": [], "S": [batches.input_length], "T": [batches.target_length]}

    def element(index: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.numpy_function(load, [index], types)
        return {
            key.name: tf.ensure_shape(value, [share, *lengths[key.length]])
            for key, value in zip(batches.keys, values, strict=True)
        }

    numbers = tf.data.Dataset.range(first_step * len(replicas), batches.steps * len(replicas))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return numbers.map(element).prefetch(2 * len(replicas)).with_options(options)


def distribute(
    batches: MixtureBatches, strategy: tf.distribute.Strategy, first_step: int
) -> tf.distribute.DistributedDataset:
    """Hand each replica its share of every global batch.

    Args:
        batches: The run's global batches.
        strategy: Whose replicas.
        first_step: Where to start.

    Returns:
        A distributed dataset for `model.fit`.
    """
    share = batches.batch_size // strategy.num_replicas_in_sync

    def host_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        count = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * count
        return make_dataset(batches, share, range(first, first + count), first_step)

    return strategy.distribute_datasets_from_function(host_dataset)
