"""Training batches, of one task each or mixed, any of which can be made from its number alone.

Shape letters: B batch (of one host's share), S source length, T target length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prep import TokenTable, UsageError, make_batch, make_packed_batch
from prep.dataset.batches import BATCH_KEYS, CHOICE_KEYS, HEAD_KEYS, PACKED_KEYS, BatchKey
from trainer.batches.head_rows import HeadRows
from trainer.batches.lanes import Table, count_before, count_drawn, in_memory, make_lanes

# Tokens of inputs and of targets; for heads, of inputs, 0, and how many choices there are, or 0.
Lengths = tuple[int, ...]


def is_for_head(shape: Lengths) -> bool:
    """Tell whether batches of a shape are for heads, and have labels and no targets."""
    return len(shape) == 3


def choices_of(shape: Lengths) -> int:
    """Tell how many texts there are in a row, of a multiple choice's head; 0 for one."""
    return shape[2] if is_for_head(shape) else 0


def texts_of(shape: Lengths) -> int:
    """Count the texts that the encoder reads in a row."""
    return max(1, choices_of(shape))


def keys_of(shape: Lengths, is_packed: bool = False) -> tuple[BatchKey, ...]:
    """List the arrays of a batch.

    Args:
        shape: Of the batch.
        is_packed: Whether its rows hold several examples.

    Returns:
        The batch keys.
    """
    if is_for_head(shape):
        return CHOICE_KEYS if shape[2] else HEAD_KEYS
    return BATCH_KEYS + (PACKED_KEYS if is_packed else ())


def axes_of(shape: Lengths) -> dict[str, list[int]]:
    """Tell what the letters of `BatchKey.length` stand for.

    Args:
        shape: Of a batch.

    Returns:
        Sizes by letters.
    """
    sizes = {"": [], "S": [shape[0]], "T": [shape[1]]}
    return {**sizes, "CS": [shape[2], shape[0]]} if is_for_head(shape) else sizes


class MixtureBatches:
    """The global batches of a run, by number.

    Each epoch of a task visits its rows once, in an order that depends on (seed, task name, epoch),
    and of a split that is not in memory as a whole, on its shards (`orders`). Batches run across
    epoch ends, so no row is dropped and every batch is full. A row is an example, or what a packed
    record holds. A draw is what the schedule decides at a time: a whole batch, or where batches mix
    tasks, one row. With several lanes all this holds for each of them by itself (`lanes`).

    Args:
        tables: The training tokens of each task, all of them packed or none; of a task too large
            for the memory, its shards; those of this host's lanes.
        schedule: int32 [batches × draws], the task index of every draw, an index into `tables`'
            order.
        batch_size: Rows per global batch.
        input_length: S, in tokens.
        target_length: T, in tokens.
        seed: Of the epochs' orders.
        shapes: S and T by task, where they are not the same for all; none is above those.
        draws: Draws per batch, a divisor of the batch size; 1 for batches of one task.
        per_step: Batches that a step takes, a divisor of their number.
        heads: How the rows of tasks are made that heads answer; their shapes say so too.
        scales: By task, what its weights in the loss are multiplied with; 1 where not named.
        lanes: Lanes of every task's rows, a divisor of the batch size, and of the draws of a batch
            unless it is one; no task has fewer rows.

    Raises:
        UsageError: Some tables are packed and some are not.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        schedule: np.ndarray,
        *,
        batch_size: int,
        input_length: int,
        target_length: int,
        seed: int,
        shapes: Mapping[str, Lengths] | None = None,
        draws: int = 1,
        per_step: int = 1,
        heads: Mapping[str, HeadRows] | None = None,
        scales: Mapping[str, float] | None = None,
        lanes: int = 1,
    ):
        self.names: Sequence[str] = tuple(tables)
        self.tables = [tables[name] for name in self.names]
        self.schedule, self.batch_size = schedule, batch_size
        self.input_length, self.target_length = input_length, target_length
        self.shapes = [
            shapes[name] if shapes else (input_length, target_length) for name in self.names
        ]
        packed = [name for name in self.names if tables[name].is_packed]
        if packed and len(packed) < len(self.names):
            raise UsageError(f"{', '.join(packed)} are packed and the other tasks are not")
        self.is_packed = bool(packed)
        self.heads = heads or {}
        self.scales = [(scales or {}).get(name, 1.0) for name in self.names]
        self._labels = {
            name: self.heads[name].labels(table)
            for name, table in zip(self.names, map(in_memory, self.tables), strict=True)
            if name in self.heads and table is not None
        }
        self.positions = count_before(schedule, len(self.names), draws, lanes)
        self.draws, self.draw_rows, self.per_step = draws, batch_size // draws, per_step
        self.steps = len(schedule) // (draws * per_step)
        drawn = count_drawn(schedule, len(self.names), draws, lanes, batch_size).tolist()
        self.lanes = [
            make_lanes(seed, name, tables[name], drawn[task])
            for task, name in enumerate(self.names)
        ]
        self._lane_places = batch_size // lanes
        self.failure: Exception | None = None

    def shape(self, number: int) -> Lengths:
        """Tell the shape of a batch of one task.

        Args:
            number: The batch number, from 0.

        Returns:
            Input and target tokens, or those of heads.
        """
        return self.shapes[self.schedule[number * self.draws]]

    def numbers(self, shape: Lengths, first: int) -> np.ndarray:
        """List the batches of a shape.

        Args:
            shape: As `shape` tells it.
            first: The first batch that is wanted.

        Returns:
            int64 [n], in order.
        """
        has_shape = np.array([one == shape for one in self.shapes])
        of_batches = self.schedule[first * self.draws :: self.draws]
        return first + np.flatnonzero(has_shape[of_batches])

    @property
    def is_grouped(self) -> bool:
        """Whether a step takes batches of several shapes."""
        return self.per_step > 1 and len(set(self.shapes)) > 1

    def groups_of_a_step(self) -> dict[Lengths, int]:
        """Count the batches of each shape in a step.

        Returns:
            By shape, in the order of the tasks.

        Raises:
            UsageError: Steps differ in that.
        """
        shapes = list(dict.fromkeys(self.shapes))
        number_of = np.array([shapes.index(shape) for shape in self.shapes])
        by_step = number_of[self.schedule].reshape(self.steps, self.per_step)
        counts = (by_step[..., None] == np.arange(len(shapes))).sum(1)
        if (counts != counts[0]).any():
            raise UsageError(
                "training.tasks_per_step: steps would have different numbers of batches of each "
                "shape; use data.mixture round and a multiple of the number of tasks"
            )
        return {shape: int(count) for shape, count in zip(shapes, counts[0], strict=True)}

    def numbers_of_step(self, shape: Lengths, step: int) -> list[int]:
        """List the batches of a shape in a step of several.

        Args:
            shape: Of the batches.
            step: From 0.

        Returns:
            Their numbers, in order.
        """
        numbers = range(step * self.per_step, (step + 1) * self.per_step)
        return [number for number in numbers if self.shape(number) == shape]

    def rows(
        self, number: int, first: int = 0, last: int | None = None
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Choose the rows of one global batch, or of a part of it.

        Args:
            number: The batch number, from 0.
            first: The first place in the batch, from 0.
            last: One past the last place; the batch size by default.

        Returns:
            By task: int64 [n] places in the part, and int64 [n] rows of the task's split.
        """
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for (task, lane), (places, counters) in self._counters(number, first, last).items():
            part = places, self.lanes[task][lane].rows_at(counters)
            before = found.get(task, (part[0][:0], part[1][:0]))
            found[task] = np.append(before[0], part[0]), np.append(before[1], part[1])
        return found

    def _counters(
        self, number: int, first: int, last: int | None
    ) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
        """Count by task and lane, for each place of a batch, the lane's rows before it."""
        places = np.arange(first, self.batch_size if last is None else last)
        draws = number * self.draws + places // self.draw_rows
        tasks, lanes = self.schedule[draws], places // self._lane_places
        at_once = min(self.draw_rows, self._lane_places)  # of a draw in a lane
        counters = self.positions[draws] * at_once + places % at_once
        found = {}
        for task, lane in sorted(set(zip(tasks.tolist(), lanes.tolist(), strict=True))):
            chosen = (tasks == task) & (lanes == lane)
            found[task, lane] = np.flatnonzero(chosen), counters[chosen]
        return found

    def batch(self, number: int, first: int = 0, last: int | None = None) -> dict[str, np.ndarray]:
        """Make one global batch, or a part of it; arguments as `rows` takes them.

        Returns:
            The batch keys of the dataset contract: tokens and segment ids int32 [B, S] and
            [B, T], weights float32 [B, T], task int32 [B]; for heads what `HeadRows` makes.
        """
        taken: dict[tuple[int, int], list[tuple[np.ndarray, TokenTable, np.ndarray]]] = {}
        for (task, lane), (places, counters) in self._counters(number, first, last).items():
            table, rows = self.lanes[task][lane].take(counters)
            taken.setdefault((task, id(table)), []).append((places, table, rows))
        parts = []
        for (task, _), found in taken.items():
            rows = np.concatenate([rows for _, _, rows in found])
            made = self._make(found[0][1], rows, task)
            if self.scales[task] != 1.0:
                name = "label_weights" if "labels" in made else "decoder_loss_weights"
                made[name] *= np.float32(self.scales[task])
            parts.append((np.concatenate([places for places, _, _ in found]), made))
        order = np.argsort(np.concatenate([places for places, _ in parts]))
        return {key: np.concatenate([part[key] for _, part in parts])[order] for key in parts[0][1]}

    def _make(self, table: TokenTable, rows: np.ndarray, task: int) -> dict[str, np.ndarray]:
        name, (S, T, *_) = self.names[task], self.shapes[task]
        if name in self.heads:
            head = self.heads[name]
            labels = self._labels.get(name)
            if labels is None:
                labels = head.labels(table)
            return head.make_batch(table, rows, labels, input_length=S, task=task)
        make = make_packed_batch if self.is_packed else make_batch
        return make(table, rows, input_length=S, target_length=T, task=task)

    def close(self) -> None:
        """Read ahead no more."""
        for lanes in self.lanes:
            for lane in lanes:
                lane.close()
