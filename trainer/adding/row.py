"""The model of a new task alone: what all tasks share is the run's and frozen, its row begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adapters_tf import TaskModel
from adapters_tf.backbone.keras_internals import freeze_weights
from adapters_tf.files.tensors import check_tensors
from adapters_tf.methods import method_name
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


def begin_row(
    model: TaskModel, run: TrainedRun, tasks: Sequence[str], chosen: Sequence[str]
) -> None:
    """Give a new task's model what the run has learned, and leave its row alone to train.

    Args:
        model: Of the new task only, as it is drawn.
        run: That grows.
        tasks: Of the run, in the order of its rows.
        chosen: Those whose rows it begins with the mean of; none to leave it as it is drawn.

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
        path: (len(tasks), *variable.shape[1:]) if path in banks else tuple(variable.shape)
        for path, variable in variables.items()
    }
    what = f"the checkpoint of {run.directory} does not fit the model of its config.yaml"
    check_tensors(run.best.weights, shapes, what)
    for path in variables.keys() - banks:
        variables[path].assign(run.best.weights[path])
    if chosen:
        for path, row in merged_rows(run.best.weights, banks, tasks, chosen).items():
            variables[path].assign(row[None])
    freeze_weights(model, {id(variables[path]) for path in variables.keys() - banks})


def merged_rows(
    weights: Mapping[str, np.ndarray], banks: set[str], tasks: Sequence[str], chosen: Sequence[str]
) -> dict[str, np.ndarray]:
    """Merge the rows of some tasks.

    Args:
        weights: By module path.
        banks: The paths that have a row per task.
        tasks: In the order of the rows.
        chosen: Some of them.

    Returns:
        By module path, the mean of the rows; of one task, its row.
    """
    adapters = {
        task: {path: weights[path][tasks.index(task)] for path in sorted(banks)} for task in chosen
    }
    return merge_tasks(adapters, "mean")
