"""How often each task of a run comes up, and in what order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from adapters_tf.runs.settings import ResolvedRun
from prep import UsageError
from prep.dataset.mixing import batch_probabilities, task_probabilities
from trainer.batches.schedule import round_schedule, task_schedule

MOST_STEPS = 2**31 - 1  # what counts in int32 can hold
_AT_ONCE = 1 << 16  # draws that are looked at together

Sizes = Sequence[int]
# Of a run, its tasks' training examples and the rows that hold them: the shares of its batches.
Mixture = Callable[[ResolvedRun, Sizes, Sizes], np.ndarray]


def batch_shares(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    """Compute how often each task's batches are drawn.

    Args:
        settings: Of the run.
        sizes: Training examples per task, each at least 1.
        rows: Rows per task that hold them; equal to `sizes` where nothing is packed.

    Returns:
        float64 [K], sums to 1.
    """
    return MIXTURES[settings.data.mixture](settings, sizes, rows)


def batch_schedule(settings: ResolvedRun, shares: np.ndarray, draws: int) -> np.ndarray:
    """List the task of every draw of a run.

    Args:
        settings: Of the run.
        shares: float64 [K], from `batch_shares`.
        draws: Draws per batch.

    Returns:
        int32 [steps × batches of a step × draws], task indices.
    """
    training = settings.training
    return _schedule(settings, shares, 0, training.steps * training.tasks_per_step * draws)


def _schedule(settings: ResolvedRun, shares: np.ndarray, first: int, last: int) -> np.ndarray:
    if settings.data.mixture == "round":
        return round_schedule(settings.seed, len(shares), first, last)
    return task_schedule(settings.seed, shares, first, last)


def steps_of_epochs(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> int:
    """Count the steps after which a task has been seen as often as `training.epochs` says.

    Args:
        settings: Of the run; its own steps are not looked at.
        sizes: Training examples per task, each at least 1.
        rows: Rows per task that hold them.

    Returns:
        Steps.

    Raises:
        UsageError: They would be more than can be counted.
    """
    task = _counted_task(settings, rows)
    shares = batch_shares(settings, sizes, rows)
    draws = _draws(settings)
    wanted = math.ceil(settings.training.epochs * rows[task] * draws / settings.data.batch_size)
    if wanted / shares[task] > MOST_STEPS * draws:
        raise UsageError(
            f"training.epochs: {settings.training.epochs:g} epochs of "
            f"{settings.tasks[task]} would take more than {MOST_STEPS:,} steps"
        )
    seen, first = 0, 0
    while True:
        last = first + _AT_ONCE
        chosen = _schedule(settings, shares, first, last) == task
        if seen + np.count_nonzero(chosen) >= wanted:
            # The last of them, counted from 1, and then whole steps.
            last_draw = first + int(np.flatnonzero(chosen)[wanted - seen - 1]) + 1
            return -(-last_draw // (draws * settings.training.tasks_per_step))
        seen, first = seen + int(np.count_nonzero(chosen)), last


def epochs_of_run(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> float:
    """Count how often the task of `training.epochs_of` is seen in a whole run.

    Args:
        settings: Of the run; its steps are known.
        sizes: Training examples per task, each at least 1.
        rows: Rows per task that hold them.

    Returns:
        Epochs.
    """
    task, draws = _counted_task(settings, rows), _draws(settings)
    schedule = batch_schedule(settings, batch_shares(settings, sizes, rows), draws)
    drawn_rows = np.count_nonzero(schedule == task) * settings.data.batch_size / draws
    return float(drawn_rows / rows[task])


def _counted_task(settings: ResolvedRun, rows: Sizes) -> int:
    """Find the task that epochs are counted by."""
    named = settings.training.epochs_of
    extreme = {"shortest": np.argmin, "longest": np.argmax}.get(named)
    return int(extreme(rows)) if extreme else settings.tasks.index(named)


def _draws(settings: ResolvedRun) -> int:
    """Count the draws of a batch: one for each row where it mixes tasks."""
    return settings.data.batch_size if settings.data.routing == "example" else 1


def unimax_shares(rows: Sizes, budget: float, epochs: float) -> np.ndarray:
    """Share a budget equally among tasks, of which none is seen more often than so many epochs.

    Chung et al. 2023 (arXiv 2304.09151), algorithm 1: the smallest task first, each gets an equal
    part of what is left, or all its epochs where those are less.

    Args:
        rows: Per task, each at least 1.
        budget: Rows that the run draws.
        epochs: The most of each task.

    Returns:
        float64 [K], sums to 1. Where the budget is more than all tasks' epochs together, tasks are
        seen more often, in the proportion of their sizes.
    """
    given = np.zeros(len(rows))
    left = float(budget)
    for number, task in enumerate(np.argsort(rows, kind="stable")):
        given[task] = min(left / (len(rows) - number), rows[task] * epochs)
        left -= given[task]
    return given / given.sum()


def _proportional(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    data = settings.data
    examples = task_probabilities(sizes, data.temperature, data.cap or None)
    return batch_probabilities(examples, sizes, rows)


def _equal(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    return batch_probabilities(np.full(len(sizes), 1 / len(sizes)), sizes, rows)


def _weights(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    missing = [task for task in settings.tasks if task not in settings.data.weights]
    if missing:  # told here too, as shares are asked for before all settings are checked
        raise UsageError(f"data.weights leaves out {', '.join(missing)}; expected every task")
    weights = np.array([settings.data.weights[task] for task in settings.tasks], np.float64)
    return batch_probabilities(weights / weights.sum(), sizes, rows)


def _unimax(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    training = settings.training
    budget = training.steps * training.tasks_per_step * settings.data.batch_size
    return unimax_shares(rows, budget, settings.data.epochs)


def _round(settings: ResolvedRun, sizes: Sizes, rows: Sizes) -> np.ndarray:
    return np.full(len(sizes), 1 / len(sizes))


MIXTURES: Mapping[str, Mixture] = {
    "proportional": _proportional,
    "equal": _equal,
    "weights": _weights,
    "unimax": _unimax,
    "round": _round,
}
# Those whose order depends on how many steps the run has in all.
OF_A_KNOWN_END = ("unimax",)
