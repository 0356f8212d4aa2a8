"""A task's head, saved beside its adapter: a small JSON file and a safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.adapter_files import read_tensors
from adapters_tf.files.json_objects import read_json_object
from adapters_tf.files.tensors import check_tensors, write_tensors, write_text
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.model.heads import HeadOf, HeadShape, TaskHeads, used_part
from adapters_tf.model.task_model import TaskModel

HEAD_CONFIG_FILE = "head_config.json"
HEAD_WEIGHTS_FILE = "head.safetensors"
HEADS_FOLDER = "heads"  # of a run without adapters, with one folder per task


@dataclass(frozen=True)
class MergedHead:
    """A head made of those of several tasks.

    Attributes:
        like: One of the tasks, whose head answers the same.
        tensors: As `head_tensors` gives them.
    """

    like: str
    tensors: dict[str, np.ndarray]


def head_tensors(model: TaskModel, task: str) -> dict[str, np.ndarray]:
    """Collect the weights of one task's head.

    Args:
        model: With heads.
        task: One that has a head.

    Returns:
        By name: its row of every variable, of the last layer the columns that it uses.
    """
    heads, row = _heads_of(model), model.task_names.index(task)
    head = heads.tasks[task]
    return {
        name: np.ascontiguousarray(variable.numpy()[row][used_part(head, name)])
        for name, variable in heads.banks.items()
    }


def assign_head(model: TaskModel, task: str, tensors: dict[str, np.ndarray], origin: str) -> None:
    """Write weights into the row of one task's head.

    Args:
        model: With heads.
        task: One that has a head.
        tensors: As `head_tensors` gives them.
        origin: Where they come from, for the message.

    Raises:
        WeightsError: A tensor is missing, unexpected or misshapen.
    """
    heads, row = _heads_of(model), model.task_names.index(task)
    shapes = {name: one.shape for name, one in head_tensors(model, task).items()}
    check_tensors(tensors, shapes, f"{origin} does not fit the head of {task!r}")
    for name, variable in heads.banks.items():
        values = variable.numpy()
        values[row][used_part(heads.tasks[task], name)] = tensors[name]
        variable.assign(values)


def write_head(model: TaskModel, task: str, folder: Path, merged: MergedHead | None = None) -> None:
    """Write one task's head into a folder that is being written.

    Args:
        model: Whose task it is.
        task: Without a head, nothing is written.
        folder: Where to.
        merged: The head to write in place of the task's own, which may then be any name.
    """
    if merged is None:
        if not model.has_head(task):
            return
        merged = MergedHead(task, head_tensors(model, task))
    config = {"task": task, **_describe(model, merged.like)}
    write_text(folder / HEAD_CONFIG_FILE, json.dumps(config, indent=2) + "\n")
    write_tensors(merged.tensors, folder / HEAD_WEIGHTS_FILE)


def save_head(model: TaskModel, task: str, folder: str | Path) -> Path:
    """Write one task's head by itself, replacing what the folder held.

    Args:
        model: With heads.
        task: One that has a head.
        folder: Where to write `head_config.json` and `head.safetensors`.

    Returns:
        The folder.
    """
    with replaced_folder(folder) as partial:
        write_head(model, task, partial)
    return Path(folder)


def load_head(model: TaskModel, task: str, folder: str | Path) -> None:
    """Read one task's head; those of other tasks stay as they are.

    Args:
        model: With heads built alike.
        task: Its task that has a head.
        folder: What `save_head` or `save_task` wrote, for any task.

    Raises:
        WeightsError: There is no head, it answers something else, or it was built otherwise.
    """
    check_head(model, task, folder)
    assign_head(model, task, read_tensors(Path(folder), HEAD_WEIGHTS_FILE), str(folder))


def check_head(model: TaskModel, task: str, folder: str | Path) -> None:
    """Make sure that a folder holds a head that a task of a model can have.

    Args:
        model: With heads.
        task: Its task that has a head.
        folder: Of an adapter.

    Raises:
        WeightsError: There is no head, it answers something else, or it was built otherwise.
    """
    if differing := _differences(model, task, folder):
        raise WeightsError(f"{folder} does not fit the head of {task!r}: {'; '.join(differing)}")


def has_head(folder: str | Path) -> bool:
    """Tell whether a folder holds a head."""
    return (Path(folder) / HEAD_CONFIG_FILE).is_file()


def fits_head(model: TaskModel, task: str, folder: str | Path) -> bool:
    """Tell whether a folder holds a head that a task of a model can have.

    Args:
        model: Whose task it is.
        task: With a head or without.
        folder: Of an adapter.

    Returns:
        Whether it does.

    Raises:
        WeightsError: The folder's description of its head is damaged.
    """
    return model.has_head(task) and has_head(folder) and not _differences(model, task, folder)


def read_head(folder: str | Path) -> tuple[HeadOf, HeadShape]:
    """Read what a folder's head answers, and how it is built.

    Args:
        folder: That holds one.

    Returns:
        Both.

    Raises:
        WeightsError: The description is missing or damaged.
    """
    found = _read_description(Path(folder))
    try:
        shape = HeadShape(found["pooling"], found["layers"])
        words = tuple(found.get("words", ()))
        return HeadOf(found["kind"], found["answers"], words), shape
    except (KeyError, TypeError, ConfigurationError) as error:
        file = Path(folder) / HEAD_CONFIG_FILE
        raise WeightsError(f"{file} describes no head: {error}") from None


def _differences(model: TaskModel, task: str, folder: str | Path) -> list[str]:
    theirs, described = _read_description(Path(folder)), _describe(model, task)
    if not (theirs.get("words") and described["words"]):  # what an earlier version wrote
        del described["words"]
    return [
        f"{name} {theirs.get(name)!r}, not {ours!r}"
        for name, ours in described.items()
        if theirs.get(name) != ours
    ]


def _describe(model: TaskModel, task: str) -> dict[str, Any]:
    heads = _heads_of(model)
    shape = asdict(heads.shape)
    del shape["dropout"]  # of training alone
    head = heads.tasks[task]
    words = list(head.words)  # as JSON gives them back
    return {**asdict(head), "words": words, **shape, "model_width": model.backbone.config.d_model}


def _read_description(folder: Path) -> dict[str, Any]:
    file = folder / HEAD_CONFIG_FILE
    if not file.is_file():
        raise WeightsError(f"{folder} holds no head: there is no {HEAD_CONFIG_FILE}")
    return read_json_object(file)


def _heads_of(model: TaskModel) -> TaskHeads:
    if model.heads is None:
        raise ConfigurationError("the model has no heads")
    return model.heads
