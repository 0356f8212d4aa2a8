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

    Shapes are joined two at a time, those first that cost the fewest positions: the least for each
    step, which need not be the least there is.

    Args:
        needs: What each task's longest examples need.
        shares: Of each task in the mixture.
        most: How many shapes there may be, 1 or more.

    Returns:
        The shape of each task, at least what it needs.
    """
    groups: dict[Pair, float] = {}
    for need, share in zip(needs.values(), shares, strict=True):
        groups[need] = groups.get(need, 0.0) + share
    given = {need: need for need in groups}
    while len(groups) > most:
        pairs = itertools.combinations(sorted(groups), 2)
        first, second = min(pairs, key=lambda pair: _padding(groups, pair))
        joined = _join(first, second)
        weight = groups.pop(first) + groups.pop(second)
        groups[joined] = groups.get(joined, 0.0) + weight
        given = {
            need: joined if shape in (first, second) else shape for need, shape in given.items()
        }
    return {task: given[need] for task, need in needs.items()}


def _join(first: Pair, second: Pair) -> Pair:
    return max(first[0], second[0]), max(first[1], second[1])


def _padding(groups: Mapping[Pair, float], pair: tuple[Pair, Pair]) -> float:
    """Count the positions that joining two shapes adds to an average batch's rows."""
    size = sum(_join(*pair))
    return sum(groups[one] * (size - sum(one)) for one in pair)
