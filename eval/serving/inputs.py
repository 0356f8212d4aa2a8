"""Token ids of texts as the encoder takes them: cut where they are too long, padded to a batch.

Shape letters: B batch, C choices, S source length.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from prep.dataset.batches import EOS_ID, PAD_ID
from prep.tokens.truncation import TRUNCATIONS


class Limits(NamedTuple):
    """How long the inputs of each task may be, and what stays of those that are longer.

    Attributes:
        length: int32 [K], tokens, EOS included.
        keep: int32 [K], places in `TRUNCATIONS`.
        marker_id: What stands where a middle was; any id where no task keeps head and tail.
    """

    length: np.ndarray
    keep: np.ndarray
    marker_id: int


def truncate_rows(
    ids: tf.RaggedTensor, length_B: tf.Tensor, keep_B: tf.Tensor, marker_id: int
) -> tf.RaggedTensor:
    """Cut rows that are too long, and end each with EOS, as `prep.tokens.truncation.truncate`.

    Args:
        ids: int32 [B, tokens], without EOS at their ends.
        length_B: int32 [B], the most tokens, EOS included; at least 2.
        keep_B: int32 [B], places in `TRUNCATIONS`.
        marker_id: What stands where a middle was.

    Returns:
        int32 [B, tokens].
    """
    count_B = tf.cast(ids.row_lengths(), tf.int32)
    row = ids.value_rowids()
    place = tf.ragged.range(count_B).flat_values
    count, length, keep = (tf.gather(values, row) for values in (count_B, length_B, keep_B))
    head = length // 2 - 1  # tokens before the marker
    is_both = keep == TRUNCATIONS.index("head_tail")
    is_kept = tf.where(
        keep == TRUNCATIONS.index("tail"),
        place >= count - length + 1,
        tf.where(
            is_both, (place <= head) | (place >= count - (length - head - 2)), place < length - 1
        ),
    )
    is_short = count < length
    is_marker = is_both & (place == head) & ~is_short
    marked = ids.with_flat_values(tf.where(is_marker, marker_id, ids.flat_values))
    kept = tf.ragged.boolean_mask(marked, ids.with_flat_values(is_kept | is_short))
    return end_rows(kept)


def end_rows(ids: tf.RaggedTensor) -> tf.RaggedTensor:
    """Put EOS behind each row."""
    ends_B1 = tf.fill(tf.stack([ids.nrows(), 1]), EOS_ID)
    return tf.concat([ids, tf.RaggedTensor.from_tensor(ends_B1)], 1)


def split_rows(ids: tf.RaggedTensor) -> tf.RaggedTensor:
    """Take apart the texts of several choices at the EOS between them.

    Args:
        ids: int32 [B, tokens], without EOS at their ends.

    Returns:
        int32 [B, texts, tokens], without EOS; of one EOS more there is one text more.
    """
    ended = end_rows(ids)
    is_end = ended.flat_values == EOS_ID
    of_text = tf.cumsum(tf.cast(is_end, tf.int64), exclusive=True)
    row_of_text = tf.boolean_mask(ended.value_rowids(), is_end)
    count = tf.size(row_of_text, tf.int64)
    texts = tf.RaggedTensor.from_value_rowids(
        tf.boolean_mask(ended.flat_values, ~is_end),
        tf.boolean_mask(of_text, ~is_end),
        nrows=count,
        validate=False,
    )
    return tf.RaggedTensor.from_value_rowids(
        texts, row_of_text, nrows=ended.nrows(), validate=False
    )


def pad_rows(ids: tf.RaggedTensor, most: int) -> tf.Tensor:
    """Pad rows to the longest of them.

    Args:
        ids: int32 [B, tokens], EOS included.
        most: The run's input length; of longer rows the beginning and the EOS stay.

    Returns:
        int32 [B, S].
    """
    place = tf.ragged.range(ids.row_lengths()).flat_values
    end = tf.gather(ids.row_lengths(), ids.value_rowids()) - 1
    is_kept = (place < most - 1) | (place == end)
    kept: tf.Tensor = tf.ragged.boolean_mask(ids, ids.with_flat_values(is_kept)).to_tensor(PAD_ID)
    return kept
