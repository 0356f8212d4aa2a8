"""Which rows of a task's origins make which split: carving, limiting and few-shot sampling.

A split is a mask over the rows of its origin. Everything here only ever divides or thins a mask, so
no row can come to lie in two splits; rows that would become equal inputs always stay together.
All choices are seeded permutations: the same data and options give the same splits.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prep.errors import UsageError, nearest
from prep.sources.declarations import Carve
from prep.splits.carving import carve_split, count_origin_rows, describe_carve, worded_rows
from prep.splits.plan import SplitPlan, TaskPlan, order_splits


@dataclass(frozen=True)
class CarveRequest:
    """A split to carve out of another, as asked for on the command line.

    Attributes:
        carve: What to carve.
        task: Only for this task; empty for every task that has no such split.
    """

    carve: Carve
    task: str = ""


@dataclass(frozen=True)
class CountRequest:
    """So many rows of a split, or so many per label.

    Attributes:
        split: The split.
        count: Rows.
        task: Only for this task; empty for all that have such a split.
    """

    split: str
    count: int
    task: str = ""


@dataclass(frozen=True)
class Selection:
    """How the splits of a build differ from those of its sources; done in this order.

    Attributes:
        carves: Splits to carve out of others.
        few_shot: Rows per label.
        limits: Rows at most.
        seed: Of every permutation.
    """

    carves: tuple[CarveRequest, ...] = ()
    few_shot: tuple[CountRequest, ...] = ()
    limits: tuple[CountRequest, ...] = ()
    seed: int = 0


def select_rows(
    plans: Sequence[TaskPlan], selection: Selection, absent: Collection[str] = ()
) -> list[TaskPlan]:
    """Apply a selection to the splits of all tasks.

    Args:
        plans: The tasks with their splits as the sources have them.
        selection: What to change.
        absent: Names of tasks that could not be planned; a request may have been for them.

    Returns:
        The tasks with the splits asked for, and notes that tell of them.

    Raises:
        UsageError: If a request fits no task.
    """
    changes: list[tuple[str, str, _Change]] = [
        (request.task, request.carve.split, _carver(request)) for request in selection.carves
    ]
    for make, requests in ((_few_shot, selection.few_shot), (_limiter, selection.limits)):
        changes += [(one.task, one.split, make(one, selection.seed)) for one in requests]
    chosen = list(plans)
    for task, split, change in changes:
        if task not in absent:
            chosen = _apply(chosen, task, split, change, bool(absent))
    return chosen


_Change = Callable[[TaskPlan], TaskPlan | None]


def _apply(
    plans: list[TaskPlan], task: str, split: str, change: _Change, is_any_absent: bool
) -> list[TaskPlan]:
    """Change the tasks a request is for; a request that changes nothing is a mistake.

    Unless a task is absent that it may have been for.
    """
    names = [plan.task.name for plan in plans]
    if task and task not in names:
        raise UsageError(f"no task {task!r} in this build; {nearest(task, names)}")
    changed = [change(plan) if task in ("", plan.task.name) else None for plan in plans]
    if not any(changed) and (task or not is_any_absent):
        known = {one.split for plan in plans for one in plan.splits}
        raise UsageError(
            f"nothing to do for split {split!r} of {task or 'any task'}: the splits there are:"
            f" {', '.join(sorted(known))}"
        )
    return [new or old for new, old in zip(changed, plans, strict=True)]


def _carver(request: CarveRequest) -> _Change:
    carve = request.carve

    def change(plan: TaskPlan) -> TaskPlan | None:
        source = plan.find(carve.source)
        if plan.find(carve.split):
            if request.task:
                raise UsageError(f"task {request.task!r} has a split {carve.split!r} already")
            return None
        if source is None:
            return None
        made, rest = carve_split(source, carve)
        others = [split for split in plan.splits if split is not source]
        note = describe_carve(carve, made, rest, plan.task.name)
        return replace(plan, splits=order_splits([*others, made, rest]), notes=(*plan.notes, note))

    return change


def _limiter(request: CountRequest, seed: int) -> _Change:
    def change(plan: TaskPlan) -> TaskPlan | None:
        split = plan.find(request.split)
        if split is None:
            return None
        if split.rows <= request.count:
            return plan
        positions = _positions_of(split)
        taken = np.random.default_rng(seed).permutation(len(positions))[: request.count]
        note = (
            f"{request.split} is {request.count:,} of {split.rows:,} rows, drawn with seed {seed}"
        )
        return _thin(plan, split, positions[taken], note)

    return change


def _few_shot(request: CountRequest, seed: int) -> _Change:
    def change(plan: TaskPlan) -> TaskPlan | None:
        split = plan.find(request.split)
        if split is None:
            return None
        words = plan.task.label_words
        if not words:
            raise UsageError(
                f"task {plan.task.name!r} has no labels to take {request.count} rows of each; give"
                f" it `limits={plan.task.name}/{request.split}=N`"
            )
        positions_of: dict[int, list[int]] = defaultdict(list)
        for position, made, _ in worded_rows(split):
            if made:
                positions_of[made[0].label].append(position)
        generator = np.random.default_rng(seed)
        taken: list[int] = []
        for label in range(len(words)):
            order = generator.permutation(len(positions_of[label]))[: request.count]
            taken += [positions_of[label][index] for index in order]
        found = ", ".join(
            f"{min(len(positions_of[label]), request.count)} {word}"
            for label, word in enumerate(words)
        )
        note = f"{request.split} is a sample of {split.rows:,} rows with seed {seed}: {found}"
        return _thin(plan, split, np.array(taken, np.int64), note)

    return change


def _thin(plan: TaskPlan, split: SplitPlan, positions: np.ndarray, note: str) -> TaskPlan:
    """Leave a split only the rows at some positions of its origin."""
    is_member = np.zeros(count_origin_rows(split), bool)
    is_member[positions] = True
    thinned = replace(split, rows=len(positions), is_member=is_member)
    splits = tuple(thinned if one is split else one for one in plan.splits)
    return replace(plan, splits=splits, notes=(*plan.notes, note))


def _positions_of(plan: SplitPlan) -> np.ndarray:
    return np.arange(plan.rows) if plan.is_member is None else np.flatnonzero(plan.is_member)
