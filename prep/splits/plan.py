"""What a build must know of a task before reading its rows: splits as masks over their origins."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from prep.dataset.entries import SourceEntry
from prep.sources.blocks import Block
from prep.tasks.task import Task

_SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class SplitPlan:
    """The rows of one split.

    Attributes:
        task: The task.
        split: The split's name.
        rows: How many rows it has.
        open_blocks: Streams the blocks of its origin.
        is_member: bool [rows of the origin], which of them belong to the split; None: all.
    """

    task: Task
    split: str
    rows: int
    open_blocks: Callable[[], Iterator[Block]]
    is_member: np.ndarray | None = None


@dataclass(frozen=True)
class TaskPlan:
    """Everything a build must know about a task before reading its rows.

    Attributes:
        task: The task.
        splits: What to make.
        sources: The files the rows come from.
        notes: What a reader should know about how the splits were made.
    """

    task: Task
    splits: tuple[SplitPlan, ...]
    sources: tuple[SourceEntry, ...]
    notes: tuple[str, ...]

    def find(self, split: str) -> SplitPlan | None:
        """Return the split of that name, None if there is none."""
        return next((plan for plan in self.splits if plan.split == split), None)


def order_splits(plans: Sequence[SplitPlan]) -> tuple[SplitPlan, ...]:
    """Sort splits: train, validation, test, then the others as they come.

    Args:
        plans: The splits of one task.

    Returns:
        The same, in order.
    """
    return tuple(sorted(plans, key=lambda plan: _SPLIT_ORDER.get(plan.split, len(_SPLIT_ORDER))))
