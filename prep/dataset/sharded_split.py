"""A split that is not in memory as a whole: rows of it, from shards that are read as needed."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Collection
from typing import Any

import numpy as np

from prep.dataset.manifest import Manifest
from prep.dataset.reading import TokenTable, read_shard, token_dtype
from prep.dataset.shard_cache import ShardCache
from prep.dataset.split_figures import SplitFigures
from prep.storage import StoragePath, place_of

# Of a table, beside its tokens: two offsets, a label and a row number for each example.
_EXAMPLE_BYTES = 8 + 8 + 4 + 8
_ENDS = 2 * 8  # of the offsets
_REMOTE_THREADS = 4  # an object of a bucket is waited for, and meanwhile others can be


def shard_sizes(manifest: Manifest, task: str, split: str) -> np.ndarray:
    """Compute what the shards of a split take in memory, as the manifest tells it.

    Where records are packed, their examples are taken to be as many in each as on average. The
    order of a run's examples follows from these numbers: changed here, it would be another one.

    Args:
        manifest: Of the dataset.
        task: Name of the task.
        split: Name of the split.

    Returns:
        int64 [shards], bytes.
    """
    entry = manifest.task(task).split(split)
    width = np.dtype(token_dtype(manifest)).itemsize
    sizes = np.array(
        [(shard.input_tokens + shard.target_tokens) * width for shard in entry.shards], np.int64
    )
    records = np.array([shard.records for shard in entry.shards], np.int64)
    if entry.packing is None:
        return sizes + records * _EXAMPLE_BYTES + _ENDS
    examples = -(-records * entry.examples // max(int(records.sum()), 1))
    return sizes + examples * _EXAMPLE_BYTES + _ENDS + (records + 1) * 8


class ShardedSplit(SplitFigures):
    """The rows of a split, by number, within a number of bytes of memory.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.
        task: Name of the task.
        split: Name of the split.
        limit: The most bytes that shards in memory have together.

    Attributes:
        shard_rows: int64 [shards], rows of each.
        shard_bytes: int64 [shards], what each takes in memory.
        limit: As given.
        shards: What is in memory.

    Raises:
        UsageError: If there is no such task or split.
    """

    def __init__(
        self, directory: StoragePath, manifest: Manifest, task: str, split: str, limit: int
    ):
        entry = manifest.task(task).split(split)
        super().__init__(entry)
        self._where = directory, manifest, task, split
        self.shard_rows = np.array([shard.records for shard in entry.shards], np.int64)
        self.shard_bytes = shard_sizes(manifest, task, split)
        self.limit = limit
        self._starts = np.cumsum(self.shard_rows) - self.shard_rows
        place = place_of(directory)

        def read(number: int) -> TokenTable:
            return _in_pages(read_shard(place, manifest, task, split, number))

        threads = _REMOTE_THREADS if place.is_remote else 1
        self.shards = ShardCache(read, self.shard_bytes.tolist(), limit, threads)

    def opened_again(self, limit: int) -> ShardedSplit:
        """Open the same split with a memory of its own.

        Args:
            limit: The most bytes that shards in it have together.

        Returns:
            The split; nothing of it is read yet.
        """
        return ShardedSplit(*self._where, limit)

    def expect(self, now: Collection[int], soon: Collection[int]) -> None:
        """Read shards ahead.

        Args:
            now: The numbers of those whose rows are taken from here on.
            soon: Of those whose rows are taken after them.
        """
        self.shards.expect(now, soon)

    def close(self) -> None:
        """Read ahead no more."""
        self.shards.close()

    def take(self, rows: np.ndarray) -> TokenTable:
        """Copy rows out of their shards.

        Args:
            rows: int64 [B], numbers of rows in the split, in shard order.

        Returns:
            A table of these rows alone, in this order.

        Raises:
            DataError: If a shard is missing, truncated or corrupt, or holds another number of
                records.
        """
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        tables = {number: self.shards.get(number) for number in np.unique(shards).tolist()}
        found = [
            (tables[number], row)
            for number, row in zip(
                shards.tolist(), (rows - self._starts[shards]).tolist(), strict=True
            )
        ]
        return _copy_packed(found) if self.is_packed else _copy(found)


def _in_pages(table: TokenTable) -> TokenTable:
    """Copy a table into pages of its own, which go back to the system with it.

    Of what is allocated among other things and freed out of order, half was seen to stay.
    """
    columns = {
        field.name: getattr(table, field.name)
        for field in dataclasses.fields(table)
        if getattr(table, field.name) is not None
    }
    pages = mmap.mmap(-1, max(table.nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held: dict[str, Any] = {}
    start = 0
    # Those of the widest numbers first: each begins at a multiple of its width.
    for name in sorted(columns, key=lambda name: -columns[name].itemsize):
        column = columns[name]
        held[name] = np.frombuffer(pages, column.dtype, len(column), start)
        held[name][:] = column
        start += column.nbytes
    return TokenTable(**held)


def _copy(found: list[tuple[TokenTable, int]]) -> TokenTable:
    inputs = [table.input_ids(row) for table, row in found]
    targets = [table.target_ids(row) for table, row in found]
    return TokenTable(
        inputs=np.concatenate(inputs),
        input_offsets=_offsets([len(one) for one in inputs]),
        targets=np.concatenate(targets),
        target_offsets=_offsets([len(one) for one in targets]),
        labels=np.array([table.labels[row] for table, row in found], np.int32),
        examples=np.array([table.examples[row] for table, row in found], np.int64),
    )


def _copy_packed(found: list[tuple[TokenTable, int]]) -> TokenTable:
    """Copy rows of several examples each; those of a row lie one after the other."""
    packs = [table.pack_offsets for table, _ in found if table.pack_offsets is not None]
    bounds = [
        (table, int(pack[row]), int(pack[row + 1]))
        for (table, row), pack in zip(found, packs, strict=True)
    ]

    def tokens(values: str, offsets: str) -> tuple[np.ndarray, np.ndarray]:
        parts, lengths = [], []
        for table, first, last in bounds:
            ends = getattr(table, offsets)[first : last + 1]
            parts.append(getattr(table, values)[ends[0] : ends[-1]])
            lengths.append(np.diff(ends))
        return np.concatenate(parts), _offsets(np.concatenate(lengths))

    inputs, input_offsets = tokens("inputs", "input_offsets")
    targets, target_offsets = tokens("targets", "target_offsets")
    return TokenTable(
        inputs=inputs,
        input_offsets=input_offsets,
        targets=targets,
        target_offsets=target_offsets,
        labels=np.concatenate([table.labels[first:last] for table, first, last in bounds]),
        examples=np.concatenate([table.examples[first:last] for table, first, last in bounds]),
        pack_offsets=_offsets([last - first for _, first, last in bounds]),
    )


def _offsets(lengths: np.ndarray | list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
