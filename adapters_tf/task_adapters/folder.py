"""One folder per task's adapter: a small JSON file and a safetensors file of a few megabytes.

Tensors are keyed by module path, such as
`encoder.block.0.layer.0.SelfAttention.adapter.down_kernel`, never by traversal order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorflow as tf

from adapters_tf.errors import WeightsError, suggest
from adapters_tf.files.adapter_files import CONFIG_FILE, WEIGHTS_FILE, read_settings, read_task
from adapters_tf.files.tensors import check_tensors, write_tensors, write_text
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.methods import METHODS, method_name, training_only_fields
from adapters_tf.methods.trained.frozen import frozen_digest
from adapters_tf.model.heads import PATH as HEADS
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.head_files import MergedHead, check_head, load_head, write_head

Tensors = Mapping[str, np.ndarray]
Source = tuple[str, Tensors]  # the second with where it comes from, for messages
# The field of adapter_config.json by which our own folders are known.
OWN_MARK = "methods"


def task_tensors(model: TaskModel, task: str) -> dict[str, np.ndarray]:
    """Collect what one task needs beside the frozen backbone.

    Args:
        model: With adapters.
        task: One of its tasks.

    Returns:
        The task's row of every bank, the variables all tasks share, and T5's layer norms where
        they were trained, by module path; without its head, which `head_tensors` gives.
    """
    row = row_of(model, task)
    return {
        path: (variable[row] if model.is_bank(variable) else variable).numpy()
        for path, variable in _adapter_variables(model).items()
    }


def _adapter_variables(model: TaskModel) -> dict[str, tf.Variable]:
    return {
        path: variable
        for path, variable in model.trainable_by_path().items()
        if not path.startswith(f"{HEADS}.")
    }


def save_task(
    model: TaskModel,
    task: str,
    folder: str | Path,
    tensors: dict[str, np.ndarray] | None = None,
    head: MergedHead | None = None,
) -> Path:
    """Write one task's adapter, and its head if it has one, replacing what the folder held.

    Args:
        model: With adapters.
        task: One of its tasks; beside `tensors` any name.
        folder: Where to write `adapter_config.json` and `adapter_model.safetensors`.
        tensors: What to write, named as `task_tensors` does; by default what that returns, and the
            task's own head, if it has one.
        head: Of `tensors`; None for none.

    Returns:
        The folder.
    """
    config = {"task": task, **_describe(model)}
    with replaced_folder(folder) as partial:
        write_text(partial / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
        write_tensors(tensors or task_tensors(model, task), partial / WEIGHTS_FILE)
        if tensors is None or head is not None:
            write_head(model, task, partial, head)
    return Path(folder)


def load_task(model: TaskModel, task: str, folder: str | Path, *, any_frozen: bool = False) -> None:
    """Read one task's adapter, and its head if it has one; other tasks' rows stay as they are.

    Args:
        model: With adapters of the same settings.
        task: The task of `model` whose row is written.
        folder: What `save_task` wrote, for any task.
        any_frozen: Whether frozen adapters below may be others than it was trained on, as where
            MAD-X puts another language's adapter under a task's.

    Raises:
        WeightsError: The file is missing or unreadable, the frozen adapters are others, a tensor
            is missing, unexpected or misshapen, all of which are named; or the task has a head, and
            the folder has none or another.
    """
    folder = Path(folder)
    tensors = read_task(folder)
    trained_on = read_settings(folder).get("frozen_digest")
    if not any_frozen and trained_on != frozen_digest(model.backbone):
        raise WeightsError(
            f"{folder} was trained on other frozen adapters than the model's; any_frozen=True"
            " takes it all the same"
        )
    if model.has_head(task):
        check_head(model, task, folder)  # before anything is written
    assign_tasks(model, {task: (str(folder / WEIGHTS_FILE), tensors)})
    if model.has_head(task):
        load_head(model, task, folder)


def is_task_folder(folder: str | Path) -> bool:
    """Tell whether a folder is one that `save_task` wrote."""
    return (Path(folder) / WEIGHTS_FILE).is_file()


def assign_tasks(model: TaskModel, adapters: Mapping[str, Source]) -> None:
    """Write tasks' tensors into their bank rows, and with them what all tasks share.

    Args:
        model: With adapters of the same settings.
        adapters: By task of the model, where its tensors come from and the tensors by module path.

    Raises:
        WeightsError: A tensor is missing, unexpected or misshapen; all of them are named. Or two
            tasks bring different weights of what all share. The model is as it was.
    """
    rows = {task: row_of(model, task) for task in adapters}
    variables = _adapter_variables(model)
    shapes = {
        path: tuple(variable.shape[1:] if model.is_bank(variable) else variable.shape)
        for path, variable in variables.items()
    }
    for origin, tensors in adapters.values():
        check_tensors(tensors, shapes, f"{origin} does not fit the model")
    banks = {path for path, variable in variables.items() if model.is_bank(variable)}
    _check_shared(adapters, variables.keys() - banks)
    for path, variable in variables.items():
        values = [tensors[path] for _, tensors in adapters.values()]
        if path in banks:
            bank = variable.numpy()
            bank[list(rows.values())] = values
            variable.assign(bank)
        else:
            variable.assign(values[0])


def _check_shared(adapters: Mapping[str, Source], shared: Iterable[str]) -> None:
    first, expected = next(iter(adapters.values()))
    for origin, tensors in adapters.values():
        differing = sorted(
            path for path in shared if not np.array_equal(expected[path], tensors[path])
        )
        if differing:
            raise WeightsError(
                f"{origin} and {first} were trained apart and cannot share a model: they differ in "
                f"{len(differing)} tensors that all tasks share, such as {differing[0]}"
            )


def check_settings(model: TaskModel, folder: str | Path) -> None:
    """Make sure that a folder's adapter means in a model what it meant where it was trained.

    Args:
        model: With adapters.
        folder: What `save_task` wrote.

    Raises:
        WeightsError: Another method or backbone width, or settings that differ in more than
            dropout.
    """
    file = Path(folder) / CONFIG_FILE
    try:
        theirs = _meaning(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} is missing or describes no adapter: {error}") from error
    ours = _meaning(json.loads(json.dumps(_describe(model))))
    differing = [
        f"{name} {theirs.get(name)!r}, not {ours.get(name)!r}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise WeightsError(f"{folder} does not fit the model: {'; '.join(differing)}")


def _describe(model: TaskModel) -> dict[str, Any]:
    return {
        "model_width": model.backbone.config.d_model,
        "methods": {method_name(method): asdict(cast("Any", method)) for method in model.methods},
        "frozen_digest": frozen_digest(model.backbone),
    }


def _meaning(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten what the outputs depend on."""
    settings = {
        f"{method}.{name}": value
        for method, fields in config["methods"].items()
        for name, value in fields.items()
        if method not in METHODS or name not in training_only_fields(METHODS[method])
    }
    return {
        "model_width": config["model_width"],
        "methods": sorted(config["methods"]),
        "frozen_digest": config.get("frozen_digest"),
        **settings,
    }


def row_of(model: TaskModel, task: str) -> int:
    """Find a task's row in the banks.

    Args:
        model: With adapters.
        task: One of its tasks.

    Returns:
        The row.

    Raises:
        WeightsError: The model has no such task.
    """
    if task not in model.task_names:
        raise WeightsError(f"the model has no task {task!r}; {suggest(task, model.task_names)}")
    return model.task_names.index(task)
