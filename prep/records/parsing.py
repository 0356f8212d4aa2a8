"""Serialized records → flat columns of their examples, whether a record holds one or several.

`prep.records` says what is in a record.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from prep.errors import DataError

NO_GROUP = -1
PARSE_BATCH = 2048  # records per parse_example call: enough to forget the cost of the call


def parse_records(
    records: Sequence[bytes], path: str, dtype: type, is_packed: bool, has_answers: bool = True
) -> Iterator[dict[str, np.ndarray]]:
    """Parse records in batches, which is ten times cheaper than one by one.

    Args:
        records: Serialized `tf.train.Example` messages.
        path: The file they are from, for error messages.
        dtype: Of the token ids.
        is_packed: Whether a record holds several examples.
        has_answers: Whether references, groups and documents are wanted.

    Yields:
        `inputs` and `targets`, flat token ids; `input_lengths`, `target_lengths`, `labels` and
        `examples`, one number per example; `record_examples`, the examples in each record; where
        they are wanted and not packed, `references` (flat, bytes) with `reference_counts`, and
        `groups` and `documents`, which are `NO_GROUP` for examples without.

    Raises:
        DataError: If a record is none, or its segments are not what they should be.
    """
    has_answers = has_answers and not is_packed
    for start in range(0, len(records), PARSE_BATCH):
        parsed = _parse(records[start : start + PARSE_BATCH], path, is_packed, has_answers)
        counts = parsed["label"].row_lengths().numpy()
        input_lengths = parsed["inputs"].row_lengths().numpy()
        target_lengths = parsed["targets"].row_lengths().numpy()
        if is_packed:
            input_lengths = _segment_lengths(parsed, "inputs", input_lengths, counts, path)
            target_lengths = _segment_lengths(parsed, "targets", target_lengths, counts, path)
        if len(parsed["example"].values) != counts.sum() or not (is_packed or (counts == 1).all()):
            raise DataError(f"shard {path} is corrupt: a record lacks a label or a row number")
        yield {
            "inputs": parsed["inputs"].values.numpy().astype(dtype),
            "input_lengths": input_lengths,
            "targets": parsed["targets"].values.numpy().astype(dtype),
            "target_lengths": target_lengths,
            "labels": parsed["label"].values.numpy().astype(np.int32),
            "examples": parsed["example"].values.numpy(),
            "record_examples": counts,
            **(_references_and_groups(parsed) if has_answers else {}),
        }


def _parse(
    records: Sequence[bytes], path: str, is_packed: bool, has_answers: bool
) -> dict[str, Any]:
    import tensorflow as tf

    names = ["inputs", "targets", "label", "example"]
    if is_packed:
        names += ["inputs_segments", "targets_segments"]
    features: dict[str, Any] = {
        name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64) for name in names
    }
    if has_answers:
        features["references"] = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
        for name in ("group", "document"):
            features[name] = tf.io.FixedLenFeature([], tf.int64, NO_GROUP)
    try:
        return tf.io.parse_example(list(records), features)
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        # TensorFlow quotes the bad bytes in its message, which Python then cannot decode.
        raise DataError(f"shard {path} is corrupt: a record is no example") from error


def _references_and_groups(parsed: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        "references": parsed["references"].values.numpy(),
        "reference_counts": parsed["references"].row_lengths().numpy(),
        "groups": parsed["group"].numpy(),
        "documents": parsed["document"].numpy(),
    }


def _segment_lengths(
    parsed: dict[str, Any], name: str, row_lengths: np.ndarray, counts: np.ndarray, path: str
) -> np.ndarray:
    """Count the tokens of each example; the segments of a record rise from 1 to their number."""
    segments = parsed[f"{name}_segments"].values.numpy()
    ends = np.cumsum(row_lengths)
    if len(segments) == ends[-1] and (row_lengths > 0).all():
        places = np.repeat(np.cumsum(counts) - counts, row_lengths) + segments - 1
        is_sound = (
            (segments[ends - row_lengths] == 1).all()
            and (segments[ends - 1] == counts).all()
            and np.isin(np.diff(places), (0, 1)).all()
        )
        if is_sound:
            return np.bincount(places)
    raise DataError(f"shard {path} is corrupt: the segments of {name} do not rise from 1")
