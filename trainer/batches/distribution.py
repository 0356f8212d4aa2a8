"""Batches to the replicas."""

import numpy as np
import tensorflow as tf

from prep import DataError, UsageError
from trainer.batches.mixture_batches import Lengths, MixtureBatches, axes_of, keys_of

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
    batches: MixtureBatches, share: int, replicas: range, first_step: int, shape: Lengths
) -> tf.data.Dataset:
    """Stream a host's part of the batches of one shape, one replica's share an element.

    Args:
        batches: The run's global batches.
        share: Rows per replica and batch.
        replicas: The replicas of this host; they take consecutive elements.
        first_step: Where to start.
        shape: Of the batches that are wanted.

    Returns:
        Elements with the batch keys, [share, …] each, in step order; where a step takes several
        batches, their shares one after the other.
    """
    per_step = batches.per_step
    numbers = batches.numbers(shape, first_step * per_step)
    keys = keys_of(shape, batches.is_packed)

    def load(index: np.ndarray) -> list[np.ndarray]:
        step, place = divmod(int(index), len(replicas))
        first = replicas[place] * share
        try:
            parts = [
                batches.batch(int(number), first, first + share)
                for number in numbers[step * per_step : (step + 1) * per_step]
            ]
        except (DataError, OSError) as error:
            batches.failure = error  # TensorFlow makes an error of its own of it
            raise
        if per_step == 1:
            return [parts[0][key.name] for key in keys]
        return [np.concatenate([part[key.name] for part in parts]) for key in keys]

    types = [tf.as_dtype(key.dtype) for key in keys]
    lengths = axes_of(shape)

    def element(index: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.numpy_function(load, [index], types)
        return {
            key.name: tf.ensure_shape(value, [share * per_step, *lengths[key.length]])
            for key, value in zip(keys, values, strict=True)
        }

    indices = tf.data.Dataset.range(len(numbers) // per_step * len(replicas))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return indices.map(element).prefetch(2 * len(replicas)).with_options(options)


def distribute(
    batches: MixtureBatches, strategy: tf.distribute.Strategy, first_step: int
) -> dict[Lengths, tf.distribute.DistributedDataset]:
    """Hand each replica its share of every global batch.

    Args:
        batches: The run's global batches.
        strategy: Whose replicas.
        first_step: Where to start.

    Returns:
        By shape, a distributed dataset of its batches; of shapes that come up no more there is
        none.
    """
    share = batches.batch_size // strategy.num_replicas_in_sync
    to_come = {
        shape: None
        for shape in batches.shapes
        if len(batches.numbers(shape, first_step * batches.per_step))
    }

    def of_shape(shape: Lengths) -> tf.distribute.DistributedDataset:
        def host_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
            count = context.num_replicas_in_sync // context.num_input_pipelines
            first = context.input_pipeline_id * count
            replicas = range(first, first + count)
            return make_dataset(batches, share, replicas, first_step, shape)

        return strategy.distribute_datasets_from_function(host_dataset)

    return {shape: of_shape(shape) for shape in to_come}


def count_steps(strategy: tf.distribute.Strategy) -> tf.distribute.DistributedDataset:
    """Make a dataset of numbers, for a `fit` whose batches come from elsewhere.

    Args:
        strategy: Whose replicas.

    Returns:
        A distributed dataset without end.
    """
    return strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensors(0).repeat()
    )
