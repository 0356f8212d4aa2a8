"""One folder per task's adapter: a small JSON file and a safetensors file of a few megabytes.

Tensors are keyed by module path, such as
`encoder.block.0.layer.0.SelfAttention.adapter.down_kernel`, never by traversal order.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from adapters_tf.adapter_files import CONFIG_FILE, WEIGHTS_FILE, read_settings, read_tensors
from adapters_tf.errors import WeightsError, suggest
from adapters_tf.methods import method_name
from adapters_tf.methods.frozen import frozen_digest
from adapters_tf.model import TaskModel


def task_tensors(model: TaskModel, task: str) -> dict[str, np.ndarray]:
    """Collect what one task needs beside the frozen backbone.

    Args:
        model: With adapters.
        task: One of its tasks.

    Returns:
        The task's row of every bank, the variables all tasks share, and T5's layer norms where
        they were trained, by module path.
    """
    row = row_of(model, task)
    return {
        path: (variable[row] if model.is_bank(variable) else variable).numpy()
        for path, variable in model.trainable_by_path().items()
    }


def save_task(
    model: TaskModel,
    task: str,
    folder: str | Path,
    tensors: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write one task's adapter, replacing what the folder held.

    Args:
        model: With adapters.
        task: One of its tasks.
        folder: Where to write `adapter_config.json` and `adapter_model.safetensors`.
        tensors: What to write, named as `task_tensors` does; by default what that returns.

    Returns:
        The folder.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    config = {
        "task": task,
        "model_width": model.backbone.config.d_model,
        "methods": {method_name(method): asdict(cast("Any", method)) for method in model.methods},
        "frozen_digest": frozen_digest(model.backbone),
    }
    (partial / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(tensors or task_tensors(model, task), str(partial / WEIGHTS_FILE))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def load_task(model: TaskModel, task: str, folder: str | Path, *, any_frozen: bool = False) -> None:
    """Read one task's adapter into its bank row; other tasks' rows stay as they are.

    Args:
        model: With adapters of the same settings.
        task: The task of `model` whose row is written.
        folder: What `save_task` wrote, for any task.
        any_frozen: Whether frozen adapters below may be others than it was trained on, as where
            MAD-X puts another language's adapter under a task's.

    Raises:
        WeightsError: The file is missing or unreadable, the frozen adapters are others, or a
            tensor is missing, unexpected or misshapen; all of them are named.
    """
    folder = Path(folder)
    tensors = read_tensors(folder)
    row = row_of(model, task)
    trained_on = read_settings(folder).get("frozen_digest")
    if not any_frozen and trained_on != frozen_digest(model.backbone):
        raise WeightsError(
            f"{folder} was trained on other frozen adapters than the model's; any_frozen=True"
            " takes it all the same"
        )
    variables = model.trainable_by_path()
    shapes = {
        path: tuple(variable.shape[1:] if model.is_bank(variable) else variable.shape)
        for path, variable in variables.items()
    }
    _check_tensors(folder / WEIGHTS_FILE, tensors, shapes)
    for path, variable in variables.items():
        if model.is_bank(variable):
            variable.scatter_update(tf.IndexedSlices(tensors[path][None], [row]))
        else:
            variable.assign(tensors[path])


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


def _check_tensors(
    file: Path, tensors: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    problems = [f"missing {path}" for path in shapes if path not in tensors]
    problems += [f"unexpected {path}" for path in tensors if path not in shapes]
    problems += [
        f"{path} is {tensors[path].shape}, expected {shape}"
        for path, shape in shapes.items()
        if path in tensors and tensors[path].shape != shape
    ]
    if problems:
        raise WeightsError(f"{file} does not fit the model: {'; '.join(problems)}")
