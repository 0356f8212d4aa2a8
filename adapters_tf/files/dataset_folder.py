"""Read examples out of a dataset folder, by what its contract says.

A folder holds `dataset.json` and TFRecord shards of `tf.train.Example`s, whose `inputs` are token
ids without padding. Packed records hold several examples, told apart by `inputs_segments`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf.errors import WeightsError, reason_of_refusal, suggest

MANIFEST_FILE = "dataset.json"
SCHEMA_VERSION = 1
_RAGGED = {
    name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
    for name in ("inputs", "inputs_segments")
}


@dataclass(frozen=True)
class DatasetFolder:
    """A dataset folder that is whole.

    Attributes:
        address: A local folder or gs://bucket/prefix.
        manifest: What its dataset.json holds.
    """

    address: str
    manifest: Mapping[str, Any]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of its tasks."""
        return tuple(self.manifest["tasks"])

    def read_vocabulary(self) -> bytes:
        """Read its SentencePiece model.

        Returns:
            The file's content.

        Raises:
            WeightsError: It cannot be read.
        """
        file = tf.io.gfile.join(self.address, self.manifest["vocabulary"]["file"])
        try:
            return tf.io.gfile.GFile(file, "rb").read()
        except tf.errors.OpError as error:
            raise WeightsError(
                f"{file} cannot be read: {reason_of_refusal(error.message)}"
            ) from error

    def read_inputs(self, task: str, count: int, split: str = "train") -> list[np.ndarray]:
        """Read inputs spread evenly over a split.

        Args:
            task: One of its tasks.
            count: The most examples to read; of a packed record the first counts.
            split: One of the task's splits.

        Returns:
            Token ids, int64 [length] each, the end of sequence included.

        Raises:
            WeightsError: No such task or split, or a shard that cannot be read.
        """
        if task not in self.tasks:
            raise WeightsError(f"{self.address} has no task {task!r}; {suggest(task, self.tasks)}")
        splits = self.manifest["tasks"][task]["splits"]
        if split not in splits:
            raise WeightsError(f"task {task!r} has no split {split!r}; {suggest(split, splits)}")
        shards = splits[split]["shards"]
        total = sum(shard["records"] for shard in shards)
        wanted = np.arange(min(count, total)) * total // max(min(count, total), 1)
        records = list(self._read_records(shards, wanted))
        return [_first_example(tf.io.parse_single_example(record, _RAGGED)) for record in records]

    def _read_records(self, shards: list[dict[str, Any]], wanted: np.ndarray) -> Iterator[bytes]:
        first = 0
        for shard in shards:
            chosen = wanted[(wanted >= first) & (wanted < first + shard["records"])] - first
            first += shard["records"]
            if not len(chosen):
                continue
            file = tf.io.gfile.join(self.address, shard["file"])
            chosen = set(chosen.tolist())
            try:
                for number, record in enumerate(tf.data.TFRecordDataset(file)):
                    if number in chosen:
                        yield record.numpy()
            except tf.errors.OpError as error:
                raise WeightsError(
                    f"{file} cannot be read: {reason_of_refusal(error.message)}"
                ) from error


def open_dataset(address: str) -> DatasetFolder:
    """Open a dataset folder.

    Args:
        address: A local folder or gs://bucket/prefix.

    Returns:
        The folder.

    Raises:
        WeightsError: It has no dataset.json, or one that is not what this version reads.
    """
    file = tf.io.gfile.join(address, MANIFEST_FILE)
    try:
        with tf.io.gfile.GFile(file) as stream:
            manifest = json.loads(stream.read())
    except tf.errors.OpError:
        raise WeightsError(f"{address} is no dataset folder: it holds no {MANIFEST_FILE}") from None
    except ValueError as error:
        raise WeightsError(f"{file} cannot be parsed: {error}") from error
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise WeightsError(
            f"{file} has schema version {manifest.get('schema_version')!r}, expected "
            f"{SCHEMA_VERSION}"
        )
    return DatasetFolder(address, manifest)


def _first_example(features: Mapping[str, tf.Tensor]) -> np.ndarray:
    tokens, segments = features["inputs"].numpy(), features["inputs_segments"].numpy()
    return tokens[segments == segments[0]] if len(segments) else tokens
