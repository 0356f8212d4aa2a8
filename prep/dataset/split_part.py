"""Consecutive rows of a split in memory, for a host that makes some places of every batch."""

from __future__ import annotations

import numpy as np

from prep.dataset.manifest import Manifest
from prep.dataset.reading import read_split
from prep.dataset.split_figures import SplitFigures
from prep.storage import StoragePath


def shards_of(shard_rows: np.ndarray, rows: range) -> range:
    """Find the shards that hold some consecutive rows of a split.

    Args:
        shard_rows: int64 [shards], rows of each.
        rows: At least one, in shard order.

    Returns:
        Their numbers.
    """
    ends = np.cumsum(shard_rows)
    first, last = np.searchsorted(ends, [rows.start, rows.stop - 1], side="right").tolist()
    return range(first, last + 1)


class SplitPart(SplitFigures):
    """Some rows of a split, from its shards that hold them; what it says of itself is of the whole.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.
        task: Name of the task.
        split: Name of the split.
        rows: Consecutive ones of the split, at least one, in shard order.

    Attributes:
        held: As given.
        table: The examples of the shards, those before and after the rows included.
        first: The row of the split that the table begins with.

    Raises:
        UsageError: If there is no such task or split.
        DataError: If a shard is missing, truncated or corrupt, or holds another number of records.
    """

    def __init__(
        self, directory: StoragePath, manifest: Manifest, task: str, split: str, rows: range
    ):
        entry = manifest.task(task).split(split)
        super().__init__(entry)
        records = np.array([shard.records for shard in entry.shards], np.int64)
        shards = shards_of(records, rows)
        self.held, self.first = rows, int(records[: shards.start].sum())
        self.table = read_split(directory, manifest, task, split, has_answers=False, shards=shards)
