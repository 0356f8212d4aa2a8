"""Lanes: equal parts of a task's rows, each of which fills the same places of every batch.

Of L lanes, lane l of a split are its rows from l · rows // L on, in shard order, and the places
from l · B / L on of a batch of B rows come from it. A host makes some places of every batch, so it
reads the shards of their lanes alone; how many hosts there are does not matter to the order.
"""

from __future__ import annotations

import itertools

import numpy as np

from prep import TokenTable
from prep.dataset.sharded_split import ShardedSplit
from prep.dataset.split_part import SplitPart, shards_of
from trainer.batches.orders import BlockOrder, WholeOrder

# The training rows of a task: in memory, as they are needed, or those of a host's lanes in memory.
Table = TokenTable | ShardedSplit | SplitPart


def in_memory(table: Table) -> TokenTable | None:
    """Give what of a task's rows is in memory for good; None where shards come and go."""
    if isinstance(table, SplitPart):
        return table.table
    return table if isinstance(table, TokenTable) else None


def lane_rows(rows: int, lanes: int) -> list[range]:
    """Divide the rows of a split.

    Args:
        rows: Of the split, as many as lanes or more.
        lanes: How many.

    Returns:
        Rows by lane; their numbers differ by one at most.
    """
    ends = [number * rows // lanes for number in range(lanes + 1)]
    return [range(first, end) for first, end in itertools.pairwise(ends)]


def rows_of_places(rows: int, lanes: int, batch_size: int, places: range) -> range:
    """Find the rows of a split that some places of batches are filled from.

    Args:
        rows: Of the split.
        lanes: How many there are of it, a divisor of the batch size.
        batch_size: Rows of a batch.
        places: Consecutive ones, at least one.

    Returns:
        The rows of all lanes that the places lie in.
    """
    parts = lane_rows(rows, lanes)
    first, last = (place * lanes // batch_size for place in (places.start, places.stop - 1))
    return range(parts[first].start, parts[last].stop)


class Lane:
    """A part of a task's rows, and the order in which they come up.

    Args:
        table: The task's; of a split in shards, with a memory that the lane has to itself.
        order: Of the part's rows, counted from 0.
        rows: The part, in rows of the split.
        first_shard: The number of the shard that holds the first of them.
        drawn: Rows that the run takes of it.
    """

    def __init__(
        self,
        table: Table,
        order: WholeOrder | BlockOrder,
        rows: range,
        first_shard: int,
        drawn: int,
    ):
        self.table, self.order, self.rows = table, order, rows
        self._first_shard, self._drawn = first_shard, drawn
        self._window: tuple[int, int] | None = None  # that was seen last

    def rows_at(self, counters: np.ndarray) -> np.ndarray:
        """Find the rows that come up as the first, second, … since the run began.

        Args:
            counters: int64 [n], from 0.

        Returns:
            int64 [n], rows of the split.
        """
        return self.rows.start + self.order.rows_at(counters)

    def take(self, counters: np.ndarray) -> tuple[TokenTable, np.ndarray]:
        """Find rows, and the table that holds them.

        Args:
            counters: int64 [n], as `rows_at` takes them.

        Returns:
            The table, and int64 [n], rows of it.

        Raises:
            DataError: A shard is missing, truncated or corrupt.
            ValueError: The lane is another host's.
        """
        rows = self.rows_at(counters)
        if isinstance(self.table, TokenTable):
            return self.table, rows
        if isinstance(self.table, ShardedSplit):
            self._expect(self.table, int(counters[0]))
            return self.table.take(rows), np.arange(len(rows))
        held = self.table.held
        if self.rows.start < held.start or self.rows.stop > held.stop:
            raise ValueError(f"rows {self.rows} are another host's; here are {held}")
        return self.table.table, rows - self.table.first

    def close(self) -> None:
        """Read ahead no more."""
        if isinstance(self.table, ShardedSplit):
            self.table.close()

    def _expect(self, table: ShardedSplit, counter: int) -> None:
        """Have the shards read that rows come from next, where a window begins."""
        if not isinstance(self.order, BlockOrder):
            return
        window = self.order.window_at(counter)
        if self._window != window:
            self._window = window
            now, soon = self.order.shards_from(*window, last=self._drawn)
            table.expect(*([self._first_shard + one for one in part] for part in (now, soon)))


def make_lanes(seed: int, name: str, table: Table, drawn: list[int]) -> list[Lane]:
    """Divide a task's training rows.

    Args:
        seed: Of the run.
        name: Of the task.
        table: Its rows; the memory of a split in shards is shared out.
        drawn: By lane, the rows that the run takes of it.

    Returns:
        The lanes. A single one has the order of a run without lanes.
    """
    count, made = len(drawn), []
    for number, rows in enumerate(lane_rows(table.rows, count)):
        part = () if count == 1 else (count, number)
        if not isinstance(table, ShardedSplit):
            order = WholeOrder(seed, name, len(rows), part)
            made.append(Lane(table, order, rows, 0, drawn[number]))
            continue
        own = table if count == 1 else table.opened_again(table.limit // count)
        all_shards = range(len(table.shard_rows))  # empty ones too, as the order always had them
        shards = all_shards if count == 1 else shards_of(table.shard_rows, rows)
        ends = np.cumsum(table.shard_rows)[shards.start : shards.stop].clip(max=rows.stop)
        # A window that is in use, and the next one being read.
        blocks = BlockOrder(
            seed,
            name,
            np.diff(ends, prepend=rows.start),
            table.shard_bytes[shards.start : shards.stop],
            own.limit // 2,
            part,
        )
        made.append(Lane(own, blocks, rows, shards.start, drawn[number]))
    return made


def count_before(schedule: np.ndarray, tasks: int, draws: int, lanes: int) -> np.ndarray:
    """Count, for each draw of a schedule, those before it of the same task and the same lanes.

    Args:
        schedule: int32 [batches × draws], the task of every draw.
        tasks: How many.
        draws: Draws per batch: 1, which is of all lanes, or a multiple of the lanes.
        lanes: How many.

    Returns:
        int64 [batches × draws].
    """
    by_batch = schedule.reshape(-1, draws)
    counts = np.empty(by_batch.shape, np.int64)
    width = max(draws // lanes, 1)
    for first in range(0, draws, width):
        columns = by_batch[:, first : first + width]
        for task in range(tasks):
            chosen = columns == task
            counts[:, first : first + width][chosen] = np.arange(np.count_nonzero(chosen))
    return counts.ravel()


def count_drawn(
    schedule: np.ndarray, tasks: int, draws: int, lanes: int, batch_size: int
) -> np.ndarray:
    """Count the rows that a run takes of each task and lane.

    Args:
        schedule: As `count_before` takes it.
        tasks: How many.
        draws: Draws per batch.
        lanes: How many.
        batch_size: Rows of a batch.

    Returns:
        int64 [tasks, lanes].
    """
    if draws == 1:
        each = np.bincount(schedule, minlength=tasks) * (batch_size // lanes)
        return np.repeat(each[:, None], lanes, axis=1)
    by_lane = schedule.reshape(-1, lanes, draws // lanes)
    rows = batch_size // draws
    counts = [np.bincount(by_lane[:, n].ravel(), minlength=tasks) * rows for n in range(lanes)]
    return np.stack(counts, axis=1)
