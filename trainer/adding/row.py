"""The model of a new task alone: what all tasks share is the run's and frozen, its row begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel, build_model
from adapters_tf.backbone.keras_internals import freeze_weights
from adapters_tf.commands.merge import shared_start
from adapters_tf.files.tensors import check_tensors
from adapters_tf.methods import method_name
from adapters_tf.model.heads import OF_DECODER, PATH, HeadOf, read_heads
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.task_adapters.merging import merge_tasks
from adapters_tf.task_adapters.starting import nearest_of
from prep import UsageError
from trainer.adding.options import NEAREST, SCRATCH
from trainer.adding.trained_run import TrainedRun


def choose_start(start: str, task: str, tasks: Sequence[str], nearest_by: str) -> list[str]:
    """Choose the tasks whose rows a new one begins with.

    Args:
        start: `scratch`, `nearest`, or names with commas between them.
        task: The new one.
        tasks: Of the run.
        nearest_by: A file of task embeddings, for `nearest`.

    Returns:
        Their names; none for a row as it is drawn.

    Raises:
        ConfigurationError: The file lacks an embedding.
    """
    if start == SCRATCH:
        return []
    if start == NEAREST:
        return [nearest_of(nearest_by, [task], tasks)[task]]
    return start.split(",")


@dataclass(frozen=True)
class Merging:
    """How the rows of some tasks become one.

    Attributes:
        tasks: Whose rows; none to leave a new one as it is drawn.
        how: One of `MERGERS`.
        density: The share of entries that TIES and DARE keep.
    """

    tasks: Sequence[str]
    how: str = "mean"
    density: float = 0.2


def begin_row(model: TaskModel, run: TrainedRun, origin: ResolvedRun, merging: Merging) -> None:
    """Give a new task's model what the run has learned, and leave its row alone to train.

    Args:
        model: Of the new task only, as it is drawn.
        run: That grows.
        origin: The run's settings.
        merging: What the row begins with.

    Raises:
        UsageError: A task has nothing of its own that trains.
        WeightsError: The run's checkpoint is of another model.
    """
    variables = model.trainable_by_path()
    banks = {path for path, variable in variables.items() if model.is_bank(variable)}
    if not banks:
        names = ", ".join(map(method_name, model.methods)) or "none"
        raise UsageError(
            f"run {run.directory.name} cannot grow: with adapters.method {names} nothing trains "
            "that a task has to itself"
        )
    shapes = {
        path: _shape_of_rows(path, variable, origin) if path in banks else tuple(variable.shape)
        for path, variable in variables.items()
    }
    what = f"the checkpoint of {run.directory} does not fit the model of its config.yaml"
    # Where heads answer some tasks only, a task by itself lacks heads, or a decoder's adapters.
    has_more = bool(origin.heads.kinds)
    known = {path: one for path, one in run.best.weights.items() if path in shapes or not has_more}
    check_tensors(known, shapes, what)
    for path in variables.keys() - banks:
        variables[path].assign(run.best.weights[path])
    if merging.tasks:
        own = next(iter(model.heads.tasks.values())) if model.heads else None
        merged = banks if fits_heads(own, origin, merging.tasks) else banks - _of_heads(banks)
        for path, row in merged_rows(run, merged, origin, merging).items():
            width = variables[path].shape[-1]  # classes of its own; the run may have more
            variables[path].assign(row[None][..., :width])
    freeze_weights(model, {id(variables[path]) for path in variables.keys() - banks})


def _of_heads(paths: Iterable[str]) -> set[str]:
    return {path for path in paths if path.startswith(f"{PATH}.")}


def _shape_of_rows(path: str, variable: tf.Variable, origin: ResolvedRun) -> tuple[int, ...]:
    """Tell the shape of a bank of the run, whose heads may give more answers than the new one."""
    count, inner = len(origin.tasks), tuple(variable.shape[1:])
    if path.startswith(f"{PATH}.output_"):
        heads = read_heads(origin.heads.kinds, origin.heads.answers, origin.heads.words)
        return count, *inner[:-1], max(head.outputs for head in heads.values())
    return count, *inner


def fits_heads(own: HeadOf | None, origin: ResolvedRun, tasks: Sequence[str]) -> bool:
    """Tell whether the heads of some tasks of a run give what the new task's gives.

    Args:
        own: The new task's; None where it answers in words.
        origin: The run's settings.
        tasks: Whose rows the new one begins with.

    Returns:
        Whether its head begins with theirs.
    """
    theirs = read_heads(origin.heads.kinds, origin.heads.answers, origin.heads.words)
    return own is not None and all(theirs.get(task) == own for task in tasks)


def in_words(origin: ResolvedRun, tasks: Sequence[str]) -> list[str]:
    """List those of some tasks of a run whose decoder's adapters were trained."""
    return [task for task in tasks if task not in origin.heads.kinds]


def merged_rows(
    run: TrainedRun, banks: set[str], origin: ResolvedRun, merging: Merging
) -> dict[str, np.ndarray]:
    """Merge the rows of some tasks.

    Args:
        run: What it has learned.
        banks: The paths that have a row per task.
        origin: The run's settings.
        merging: Whose rows, and how.

    Returns:
        By module path, the merged row; of one task, its row. Of the decoder it is that of the tasks
        that answer in words, and there is none where heads answer all of them.
    """
    of_decoder = {path for path in banks if path.startswith(OF_DECODER)}
    rows: dict[str, np.ndarray] = {}
    for paths, tasks in (
        (banks - of_decoder, merging.tasks),
        (of_decoder, in_words(origin, merging.tasks)),
    ):
        if tasks and paths:
            rows |= _merged(run, paths, origin, replace(merging, tasks=tasks))
    return rows


def _merged(
    run: TrainedRun, paths: set[str], origin: ResolvedRun, merging: Merging
) -> dict[str, np.ndarray]:
    adapters = {
        task: {path: run.best.weights[path][origin.tasks.index(task)] for path in sorted(paths)}
        for task in merging.tasks
    }
    how = merging.how if len(adapters) > 1 else "mean"
    start = {}
    if how != "mean":  # of what training changed: of a model as the run began with
        began = build_model(origin.without_files(), directory=run.directory)
        start = shared_start(began, merging.tasks)
    return merge_tasks(adapters, how, density=merging.density, start=start, seed=origin.seed)
