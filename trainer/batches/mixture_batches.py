"""Training batches, of one task each or mixed, any of which can be made from its number alone.

Shape letters: B batch (of one host's share), S source length, T target length.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from prep import TokenTable, UsageError, make_batch, make_packed_batch
from prep.dataset.batches import BATCH_KEYS, PACKED_KEYS

Lengths = tuple[int, int]  # of inputs and of targets, in tokens


class MixtureBatches:
    """The global batches of a run, by number.

    Each epoch of a task visits its rows once, in an order that depends on (seed, task name,
    epoch). Batches run across epoch ends, so no row is dropped and every batch is full. A row is
    an example, or what a packed record holds. A draw is what the schedule decides at a time: a
    whole batch, or where batches mix tasks, one row.

    Args:
        tables: The training tokens of each task, all of them packed or none.
        schedule: int32 [batches × draws], the task index of every draw, an index into `tables`'
            order.
        batch_size: Rows per global batch.
        input_length: S, in tokens.
        target_length: T, in tokens.
        seed: Of the epochs' orders.
        shapes: S and T by task, where they are not the same for all; none is above those.
        draws: Draws per batch, a divisor of the batch size; 1 for batches of one task.
        per_step: Batches that a step takes, a divisor of their number.

    Raises:
        UsageError: Some tables are packed and some are not.
    """

    def __init__(
        self,
        tables: Mapping[str, TokenTable],
        schedule: np.ndarray,
        *,
        batch_size: int,
        input_length: int,
        target_length: int,
        seed: int,
        shapes: Mapping[str, Lengths] | None = None,
        draws: int = 1,
        per_step: int = 1,
    ):
        self.names: Sequence[str] = tuple(tables)
        self.tables = [tables[name] for name in self.names]
        self.schedule, self.batch_size, self.seed = schedule, batch_size, seed
        self.input_length, self.target_length = input_length, target_length
        self.shapes = [
            shapes[name] if shapes else (input_length, target_length) for name in self.names
        ]
        packed = [name for name in self.names if tables[name].pack_offsets is not None]
        if packed and len(packed) < len(self.names):
            raise UsageError(f"{', '.join(packed)} are packed and the other tasks are not")
        self.is_packed = bool(packed)
        self.keys = BATCH_KEYS + (PACKED_KEYS if packed else ())
        self.positions = _count_before(schedule, len(self.names))
        self.draws, self.draw_rows, self.per_step = draws, batch_size // draws, per_step
        self.steps = len(schedule) // (draws * per_step)
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def shape(self, number: int) -> Lengths:
        """Tell S and T of a batch of one task.

        Args:
            number: The batch number, from 0.

        Returns:
            Input and target tokens.
        """
        return self.shapes[self.schedule[number * self.draws]]

    def numbers(self, shape: Lengths, first: int) -> np.ndarray:
        """List the batches of a shape.

        Args:
            shape: S and T.
            first: The first batch that is wanted.

        Returns:
            int64 [n], in order.
        """
        has_shape = np.array([one == shape for one in self.shapes])
        of_batches = self.schedule[first * self.draws :: self.draws]
        return first + np.flatnonzero(has_shape[of_batches])

    def rows(
        self, number: int, first: int = 0, last: int | None = None
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Choose the rows of one global batch, or of a part of it.

        Args:
            number: The batch number, from 0.
            first: The first place in the batch, from 0.
            last: One past the last place; the batch size by default.

        Returns:
            By task: int64 [n] places in the part, and int64 [n] rows of the task's table.
        """
        places = np.arange(first, self.batch_size if last is None else last)
        draws = number * self.draws + places // self.draw_rows
        tasks = self.schedule[draws]
        counters = self.positions[draws] * self.draw_rows + places % self.draw_rows
        return {
            int(task): (
                np.flatnonzero(tasks == task),
                self._rows_at(int(task), counters[tasks == task]),
            )
            for task in np.unique(tasks)
        }

    def _rows_at(self, task: int, counters: np.ndarray) -> np.ndarray:
        """Find the rows of a task that come up as its first, second, … since the run began."""
        epochs, places = np.divmod(counters, self.tables[task].rows)
        rows = np.empty(len(counters), np.int64)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            rows[chosen] = self._order(task, int(epoch))[places[chosen]]
        return rows

    def batch(self, number: int, first: int = 0, last: int | None = None) -> dict[str, np.ndarray]:
        """Make one global batch, or a part of it; arguments as `rows` takes them.

        Returns:
            The batch keys of the dataset contract: tokens and segment ids int32 [B, S] and
            [B, T], weights float32 [B, T], task int32 [B].
        """
        make = make_packed_batch if self.is_packed else make_batch
        parts = [
            (
                places,
                make(
                    self.tables[task],
                    rows,
                    input_length=self.shapes[task][0],
                    target_length=self.shapes[task][1],
                    task=task,
                ),
            )
            for task, (places, rows) in self.rows(number, first, last).items()
        ]
        order = np.argsort(np.concatenate([places for places, _ in parts]))
        return {key: np.concatenate([part[key] for _, part in parts])[order] for key in parts[0][1]}

    def _order(self, task: int, epoch: int) -> np.ndarray:
        cached = self._orders.get(task)
        if cached is None or cached[0] != epoch:
            name = zlib.crc32(self.names[task].encode())
            order = np.random.default_rng([self.seed, name, epoch]).permutation(
                self.tables[task].rows
            )
            self._orders[task] = cached = (epoch, order)
        return cached[1]


def _count_before(schedule: np.ndarray, tasks: int) -> np.ndarray:
    # positions[n] = how many of the draws 0 … n-1 have the task of draw n.
    positions = np.empty(len(schedule), np.int64)
    for task in range(tasks):
        chosen = schedule == task
        positions[chosen] = np.arange(np.count_nonzero(chosen))
    return positions
