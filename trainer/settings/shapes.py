"""Static shapes of batches: one for all tasks, or a few, and each task has the least that holds it.

A device's program has fixed sizes, and what a batch's rows do not fill is padding that costs as
much as tokens do. A batch is of one task, so it need only be as long as that task's examples are.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest
from trainer.batches.mixture_batches import Lengths
from trainer.settings.mixture import batch_shares
from trainer.settings.resolving import longest_lengths

LENGTHS = ("one", "per_task")
Pair = tuple[int, int]  # input and target tokens
_LEAST_SAVED = 1e-9  # positions of a row: less is rounding, and moves would not end


def task_shapes(settings: ResolvedRun, manifest: Manifest) -> dict[str, Lengths]:
    """Choose the lengths of each task's batches.

    Args:
        settings: Of the run; no task is given more than its lengths.
        manifest: Of its dataset, which says how long each task's longest examples are.

    Returns:
        Input and target tokens by task, in the tasks' order; `data.shapes` different ones at most,
        besides those that differ in what a head reads.
    """
    heads = settings.heads
    shapes: dict[str, Lengths] = {**_text_shapes(settings, manifest)}
    for task in heads.kinds:
        shapes[task] = (shapes[task][0], 0, heads.choices(task))
    return shapes


def _text_shapes(settings: ResolvedRun, manifest: Manifest) -> dict[str, Pair]:
    data = settings.data
    limits = data.input_length, data.target_length
    if data.lengths == "one":
        return dict.fromkeys(settings.tasks, limits)
    needs = {}
    for task in settings.tasks:
        longest = longest_lengths(manifest, [task])
        needs[task] = (min(longest[0], limits[0]), min(longest[1], limits[1]))
    sizes = [manifest.task(task).split(data.train_split).examples for task in settings.tasks]
    shares = batch_shares(settings, sizes, sizes)
    return choose_shapes(needs, [float(share) for share in shares], data.shapes)


def choose_shapes(needs: Mapping[str, Pair], shares: Sequence[float], most: int) -> dict[str, Pair]:
    """Give tasks few shapes with little padding.

    How many of its positions hold a token is the same for a task in whatever shape, so the fewest
    padded positions are the fewest positions. Shapes are joined two at a time, those first that
    cost the fewest, and then needs are moved from shape to shape as long as that saves some: no
    single move is better, which need not be the least there is.

    Args:
        needs: What each task's longest examples need.
        shares: Of each task in the mixture.
        most: How many shapes there may be, 1 or more.

    Returns:
        The shape of each task, at least what it needs.
    """
    weights: dict[Pair, float] = {}
    for need, share in zip(needs.values(), shares, strict=True):
        weights[need] = weights.get(need, 0.0) + share
    groups = [[need] for need in sorted(weights)]
    while len(groups) > most:
        pairs = itertools.combinations(groups, 2)
        first, second = min(pairs, key=lambda pair: _added(weights, *pair))
        groups = [one for one in groups if one is not first and one is not second]
        groups.append(first + second)
    while _move_one(groups, weights):
        pass
    given = {need: _shape_of(group) for group in groups for need in group}
    return {task: given[need] for task, need in needs.items()}


def _move_one(groups: list[list[Pair]], weights: Mapping[Pair, float]) -> bool:
    """Move the need between groups that saves the most positions; False where none saves any."""
    best: tuple[float, Pair, list[Pair], list[Pair]] | None = None
    for source, target in itertools.permutations(groups, 2):
        for need in source if len(source) > 1 else ():
            rest = [one for one in source if one != need]
            saved = _cost(weights, source) + _cost(weights, target)
            saved -= _cost(weights, rest) + _cost(weights, [*target, need])
            if saved > _LEAST_SAVED and (best is None or saved > best[0]):
                best = saved, need, source, target
    if best is not None:
        _, need, source, target = best
        source.remove(need)
        target.append(need)
    return best is not None


def _shape_of(group: Sequence[Pair]) -> Pair:
    return max(need[0] for need in group), max(need[1] for need in group)


def _cost(weights: Mapping[Pair, float], group: Sequence[Pair]) -> float:
    """Count the positions of an average row of a group's batches, times how often they come up."""
    return sum(weights[need] for need in group) * sum(_shape_of(group))


def _added(weights: Mapping[Pair, float], first: Sequence[Pair], second: Sequence[Pair]) -> float:
    """Count the positions that joining two groups adds."""
    return _cost(weights, [*first, *second]) - _cost(weights, first) - _cost(weights, second)
