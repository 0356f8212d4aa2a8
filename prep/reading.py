"""Reading a split back: shards of variable-length records → one table of flat columns in memory.

The table costs two bytes per token (four for vocabularies beyond 65,536), so that even millions of
examples fit, and any order of rows can be taken from it without touching the disk again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

from prep import storage
from prep.errors import DataError
from prep.manifest import Manifest, ShardEntry

PARSE_BATCH = 2048  # records per parse_example call: enough to forget the cost of the call


@dataclass(frozen=True)
class TokenTable:
    """The examples of one split, in shard order.

    Attributes:
        inputs: Flat token ids of all examples, uint16 or uint32.
        input_offsets: int64 [examples + 1]; row i is inputs[offsets[i]:offsets[i + 1]].
        targets: Flat token ids of all examples, uint16 or uint32.
        target_offsets: int64 [examples + 1].
        labels: int32 [examples], index of the label word, −1 where there is none.
        examples: int64 [examples], row number in the split as the source had it.
    """

    inputs: np.ndarray
    input_offsets: np.ndarray
    targets: np.ndarray
    target_offsets: np.ndarray
    labels: np.ndarray
    examples: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> "TokenTable":
        """The first examples, sharing memory with this table.

        Args:
            count: How many at most.
        """
        return TokenTable(
            self.inputs,
            self.input_offsets[: count + 1],
            self.targets,
            self.target_offsets[: count + 1],
            self.labels[:count],
            self.examples[:count],
        )

    def input_ids(self, row: int) -> np.ndarray:
        """Returns the input token ids of one example, EOS included.

        Args:
            row: Position in the table.

        Returns:
            uint16 or uint32 [length].
        """
        return self.inputs[self.input_offsets[row] : self.input_offsets[row + 1]]

    def target_ids(self, row: int) -> np.ndarray:
        """Returns the target token ids of one example, EOS included.

        Args:
            row: Position in the table.

        Returns:
            uint16 or uint32 [length].
        """
        return self.targets[self.target_offsets[row] : self.target_offsets[row + 1]]


def read_split(
    directory: storage.StoragePath, manifest: Manifest, task: str, split: str, verify: bool = True
) -> TokenTable:
    """Reads all examples of a split into memory.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.
        task: Name of the task.
        split: Name of the split.
        verify: Whether to compare each shard's size and crc32c with the manifest before parsing.

    Returns:
        The examples, in shard order.

    Raises:
        UsageError: If there is no such task or split.
        DataError: If a shard is missing, truncated, corrupt, or holds another number of records.
    """
    entry = manifest.task(task).split(split)
    dtype = np.uint16 if manifest.vocabulary.size <= 1 << 16 else np.uint32
    batches = []
    for shard in entry.shards:
        if verify:
            check_shard(directory, shard)
        batches += [_to_columns(parsed, dtype) for parsed in _parse_shard(directory, shard)]
    return _join_columns(batches, dtype)


def check_shard(directory: storage.StoragePath, shard: ShardEntry) -> None:
    """Compares a shard's size and checksum with the manifest.

    Args:
        directory: The dataset folder, local or gs://.
        shard: The shard's entry in the manifest.

    Raises:
        DataError: If the shard is missing, or of another size or checksum.
    """
    path = storage.join(directory, shard.file)
    if not storage.exists(path):
        raise DataError(f"shard {path} is missing; build the dataset again")
    content = storage.read_bytes(path)
    if len(content) != shard.bytes:
        raise DataError(
            f"shard {path} is {'truncated' if len(content) < shard.bytes else 'corrupt'}: "
            f"{len(content):,} bytes instead of {shard.bytes:,}; build the dataset again"
        )
    found = f"{google_crc32c.value(content):08x}"
    if found != shard.crc32c:
        raise DataError(
            f"shard {path} is corrupt: crc32c {found}, the manifest says {shard.crc32c}; "
            "build the dataset again"
        )


def _parse_shard(directory: storage.StoragePath, shard: ShardEntry) -> Iterator[dict[str, Any]]:
    """Yields parsed batches of a shard, and counts the records."""
    import tensorflow as tf

    features = {
        "inputs": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        "targets": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "example": tf.io.FixedLenFeature([], tf.int64),
    }
    path = storage.join(directory, shard.file)
    records = 0
    try:
        dataset = tf.data.TFRecordDataset(path).batch(PARSE_BATCH)
        for parsed in dataset.map(lambda batch: tf.io.parse_example(batch, features)):
            records += int(parsed["label"].shape[0])
            yield parsed
    except tf.errors.NotFoundError as error:
        raise DataError(f"shard {path} is missing; build the dataset again") from error
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise DataError(f"shard {path} is corrupt after record {records:,}") from error
    if records != shard.records:
        raise DataError(
            f"shard {path} holds {records:,} records, the manifest says {shard.records:,}"
        )


def _to_columns(parsed: dict[str, Any], dtype: type) -> dict[str, np.ndarray]:
    return {
        "inputs": parsed["inputs"].values.numpy().astype(dtype),
        "input_lengths": parsed["inputs"].row_lengths().numpy(),
        "targets": parsed["targets"].values.numpy().astype(dtype),
        "target_lengths": parsed["targets"].row_lengths().numpy(),
        "labels": parsed["label"].numpy().astype(np.int32),
        "examples": parsed["example"].numpy(),
    }


def _join_columns(batches: list[dict[str, np.ndarray]], dtype: type) -> TokenTable:
    def column(name: str, column_dtype: type) -> np.ndarray:
        parts = [batch[name] for batch in batches]
        return np.concatenate(parts) if parts else np.empty(0, column_dtype)

    def offsets(name: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(column(name, np.int64))]).astype(np.int64)

    return TokenTable(
        inputs=column("inputs", dtype),
        input_offsets=offsets("input_lengths"),
        targets=column("targets", dtype),
        target_offsets=offsets("target_lengths"),
        labels=column("labels", np.int32),
        examples=column("examples", np.int64),
    )
