"""Positions of batches, and those of them that hold a token, counted on the device.

The host knows them as well, but of a split larger than memory each host has only its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from prep.dataset.batches import PAD_ID
from trainer.steps.step import Batch

_TOKENS = ("encoder_input_tokens", "decoder_target_tokens")


def count_positions(batch: Batch | Sequence[Batch]) -> tuple[tf.Tensor, tf.Tensor]:
    """Count the positions of inputs and targets, and those that hold a token.

    Args:
        batch: The batch keys; of several shapes, a batch of each.

    Returns:
        How many hold a token, and how many there are, float32 scalars. Of several workers' batches
        TensorFlow does not know the number of rows as it traces.
    """
    batches = [batch] if isinstance(batch, Mapping) else batch
    tokens = [one[name] for one in batches for name in _TOKENS if name in one]
    real = [tf.reduce_sum(tf.cast(one != PAD_ID, tf.float32)) for one in tokens]
    return tf.add_n(real), tf.add_n([tf.cast(tf.size(one), tf.float32) for one in tokens])


class Positions(tf.Module):
    """Positions and real tokens since the last reading, of steps that were not taken as well.

    Each replica counts its own, and a reading adds them up: a step waits for no other replica.
    """

    def __init__(self) -> None:
        super().__init__(name="positions")
        self.counts = tf.Variable(
            tf.zeros([2]),
            trainable=False,
            name="counts",
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def update(self, batch: Batch | Sequence[Batch]) -> None:
        """Count one replica's share of a step; call it in replica context.

        Args:
            batch: As `count_positions` takes it.
        """
        real, positions = count_positions(batch)
        self.counts.assign_add(tf.stack([real, positions]))

    def read(self) -> tuple[float, float]:
        """Read and reset: how many hold a token, and how many there are, over all replicas."""
        real, positions = self.counts.numpy().tolist()
        self.counts.assign(tf.zeros([2]))
        return real, positions
