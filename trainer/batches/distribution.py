"""Batches to the replicas."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
    load = _Loader(batches, share, replicas, shape)

    def element(index: tf.Tensor) -> dict[str, tf.Tensor]:
        return load.element(
            index,
            lambda step: numbers[step * per_step : (step + 1) * per_step],
            per_step,
        )

    indices = tf.data.Dataset.range(len(numbers) // per_step * len(replicas))
    return _streamed(indices.map(element), replicas)


def make_dataset_of_groups(
    batches: MixtureBatches, share: int, replicas: range, first_step: int
) -> tf.data.Dataset:
    """Stream a host's part of steps whose batches have several shapes.

    Args:
        batches: The run's global batches; every step has as many of each shape.
        share: Rows per replica and batch.
        replicas: The replicas of this host; they take consecutive elements.
        first_step: Where to start.

    Returns:
        Elements with, for each shape in turn, the batch keys, the shares of its batches one after
        the other.
    """
    groups = batches.groups_of_a_step()
    loaders = {shape: _Loader(batches, share, replicas, shape) for shape in groups}

    def element(index: tf.Tensor) -> tuple[dict[str, tf.Tensor], ...]:
        def numbers_of(shape: Lengths) -> Callable[[int], Iterable[int]]:
            return lambda step: batches.numbers_of_step(shape, first_step + step)

        return tuple(
            loaders[shape].element(index, numbers_of(shape), count)
            for shape, count in groups.items()
        )

    indices = tf.data.Dataset.range((batches.steps - first_step) * len(replicas))
    return _streamed(indices.map(element), replicas)


@dataclass(frozen=True)
class _Loader:
    """What makes one host's arrays of the batches of one shape.

    Attributes:
        batches: The run's global batches.
        share: Rows per replica and batch.
        replicas: The replicas of this host.
        shape: Of the batches.
    """

    batches: MixtureBatches
    share: int
    replicas: range
    shape: Lengths

    def element(
        self, index: tf.Tensor, numbers: Callable[[int], Iterable[int]], count: int
    ) -> dict[str, tf.Tensor]:
        """Make a replica's share of the batches of a step.

        Args:
            index: int64 scalar, counts replicas, and after the last of them steps.
            numbers: Lists the batches of a step.
            count: How many they are.

        Returns:
            The batch keys.
        """
        keys, lengths = keys_of(self.shape, self.batches.is_packed), axes_of(self.shape)

        def load(index: np.ndarray) -> list[np.ndarray]:
            step, place = divmod(int(index), len(self.replicas))
            first = self.replicas[place] * self.share
            try:
                parts = [
                    self.batches.batch(int(number), first, first + self.share)
                    for number in numbers(step)
                ]
            except (DataError, OSError) as error:
                self.batches.failure = error  # TensorFlow makes an error of its own of it
                raise
            if len(parts) == 1:
                return [parts[0][key.name] for key in keys]
            return [np.concatenate([part[key.name] for part in parts]) for key in keys]

        values = tf.numpy_function(load, [index], [tf.as_dtype(key.dtype) for key in keys])
        return {
            key.name: tf.ensure_shape(value, [self.share * count, *lengths[key.length]])
            for key, value in zip(keys, values, strict=True)
        }


def _streamed(elements: tf.data.Dataset, replicas: range) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return elements.prefetch(2 * len(replicas)).with_options(options)


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
        none. Where each step has batches of several shapes, one dataset, by the first of them.
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
            if batches.is_grouped:
                return make_dataset_of_groups(batches, share, replicas, first_step)
            return make_dataset(batches, share, replicas, first_step, shape)

        return strategy.distribute_datasets_from_function(host_dataset)

    if batches.is_grouped:
        return {batches.shapes[0]: of_shape(batches.shapes[0])}
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
