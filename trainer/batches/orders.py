"""The order of a task's rows, as arithmetic: the row that comes up n-th follows from n alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_KEPT = 2  # windows, and epochs: of a batch across their border


class WholeOrder:
    """Every epoch visits each row once, in an order that depends on (seed, task name, epoch).

    Args:
        seed: Of the run.
        name: Of the task.
        rows: Rows of its training split.
        part: Numbers that tell the order of a part of the split from other orders.
    """

    def __init__(self, seed: int, name: str, rows: int, part: Sequence[int] = ()):
        self._key = [seed, zlib.crc32(name.encode()), *part]
        self._rows = rows
        self._cached: tuple[int, np.ndarray] | None = None

    def rows_at(self, counters: np.ndarray) -> np.ndarray:
        """Find the rows that come up as the first, second, … since the run began.

        Args:
            counters: int64 [n], from 0.

        Returns:
            int64 [n], rows of the split.
        """
        epochs, places = np.divmod(counters, self._rows)
        rows = np.empty(len(counters), np.int64)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            rows[chosen] = self._order(int(epoch))[places[chosen]]
        return rows

    def _order(self, epoch: int) -> np.ndarray:
        if self._cached is None or self._cached[0] != epoch:
            order = np.random.default_rng([*self._key, epoch]).permutation(self._rows)
            self._cached = (epoch, order)
        return self._cached[1]


@dataclass(frozen=True)
class Window:
    """Blocks of an epoch whose rows are shuffled together; a block is a shard.

    Attributes:
        shards: int64 [n], their numbers.
        first: The place in the epoch of the first of its rows.
        ends: int64 [n], after so many rows of the window each shard ends.
    """

    shards: np.ndarray
    first: int
    ends: np.ndarray


class BlockOrder:
    """Every epoch visits each row once, window by window, so that few shards are in use at a time.

    An epoch takes the shards in an order that depends on (seed, task name, epoch), as many to a
    window as have room, and the rows of a window in an order that depends on its number besides.

    Args:
        seed: Of the run.
        name: Of the task.
        shard_rows: int64 [shards], rows of each.
        shard_bytes: int64 [shards], what each takes in memory.
        window_bytes: The most that the shards of a window take; at least one shard is in each.
        part: Numbers that tell the order of a part of the split from other orders.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        shard_rows: np.ndarray,
        shard_bytes: np.ndarray,
        window_bytes: int,
        part: Sequence[int] = (),
    ):
        self._key = [seed, zlib.crc32(name.encode()), *part]
        self._shard_rows, self._shard_bytes = shard_rows, shard_bytes
        self._starts = np.cumsum(shard_rows) - shard_rows
        self._rows = int(shard_rows.sum())
        self._window_bytes = window_bytes
        self._epochs: dict[int, list[Window]] = {}
        self._firsts: dict[int, np.ndarray] = {}  # of each epoch's windows
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def rows_at(self, counters: np.ndarray) -> np.ndarray:
        """Find the rows that come up as the first, second, … since the run began.

        Args:
            counters: int64 [n], from 0.

        Returns:
            int64 [n], rows of the split, in shard order.
        """
        rows = np.empty(len(counters), np.int64)
        epochs, numbers, places = self._locate(counters)
        for epoch, number in sorted(set(zip(epochs.tolist(), numbers.tolist(), strict=True))):
            chosen = (epochs == epoch) & (numbers == number)
            window = self.windows(epoch)[number]
            inside = self._order(epoch, number)[places[chosen]].astype(np.int64)
            at = np.searchsorted(window.ends, inside, side="right")
            shards = window.shards[at]
            rows[chosen] = (
                self._starts[shards] + inside - (window.ends[at] - self._shard_rows[shards])
            )
        return rows

    def window_at(self, counter: int) -> tuple[int, int]:
        """Tell the window that a row comes up in.

        Args:
            counter: Of the row, from 0.

        Returns:
            The epoch, and the number of the window in it.
        """
        epochs, numbers, _ = self._locate(np.array([counter]))
        return int(epochs[0]), int(numbers[0])

    def shards_from(
        self, epoch: int, number: int, last: int | None = None
    ) -> tuple[list[int], list[int]]:
        """List the shards of a window, and of the one after it.

        Args:
            epoch: From 0.
            number: Of the window in it.
            last: How many rows come up in all; where those end first, there is none after it.

        Returns:
            Both, as numbers.
        """
        windows = self.windows(epoch)
        end = epoch * self._rows + windows[number].first + int(windows[number].ends[-1])
        if last is not None and last <= end:
            return windows[number].shards.tolist(), []
        is_last = number + 1 == len(windows)
        following = self.windows(epoch + 1)[0] if is_last else windows[number + 1]
        return windows[number].shards.tolist(), following.shards.tolist()

    def windows(self, epoch: int) -> list[Window]:
        """Divide an epoch.

        Args:
            epoch: Its number, from 0.

        Returns:
            Its windows in order.
        """
        if epoch not in self._epochs:
            if len(self._epochs) >= _KEPT:
                oldest = min(self._epochs)
                del self._epochs[oldest], self._firsts[oldest]
            shards = np.random.default_rng([*self._key, epoch]).permutation(len(self._shard_rows))
            windows = self._epochs[epoch] = self._divide(shards)
            self._firsts[epoch] = np.array([window.first for window in windows])
        return self._epochs[epoch]

    def _divide(self, shards: np.ndarray) -> list[Window]:
        bytes_before = np.concatenate([[0], np.cumsum(self._shard_bytes[shards])])
        rows_before = np.concatenate([[0], np.cumsum(self._shard_rows[shards])])
        windows, first = [], 0
        while first < len(shards):
            most = bytes_before[first] + self._window_bytes
            last = max(int(np.searchsorted(bytes_before, most, side="right")) - 1, first + 1)
            start = int(rows_before[first])
            windows.append(
                Window(shards[first:last], start, rows_before[first + 1 : last + 1] - start)
            )
            first = last
        return [window for window in windows if window.ends[-1]]  # a shard may be empty

    def _locate(self, counters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the epoch, the window in it, and the place in that, of each row."""
        epochs, places = np.divmod(counters, self._rows)
        numbers = np.empty(len(counters), np.int64)
        for epoch in np.unique(epochs).tolist():
            chosen = epochs == epoch
            self.windows(epoch)
            firsts = self._firsts[epoch]
            numbers[chosen] = np.searchsorted(firsts, places[chosen], side="right") - 1
            places[chosen] -= firsts[numbers[chosen]]
        return epochs, numbers, places

    def _order(self, epoch: int, number: int) -> np.ndarray:
        key = (epoch, number)
        if key not in self._orders:
            if len(self._orders) >= _KEPT:
                del self._orders[min(self._orders)]
            rows = int(self.windows(epoch)[number].ends[-1])
            order = np.random.default_rng([*self._key, epoch, number + 1]).permutation(rows)
            self._orders[key] = order.astype(np.uint32)  # half of what memory it would take
        return self._orders[key]
