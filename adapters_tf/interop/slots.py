"""Tensors of one task under the names of another library: one table, read in both directions.

A library says, for every bank variable of a model, what it calls it and how it lays it out.
Exporting and importing walk the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.files.tensors import check_tensors
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.folder import task_tensors


@dataclass(frozen=True)
class Layout:
    """How an array of ours is laid out in the other library.

    Attributes:
        to_theirs: From our array to theirs.
        to_ours: And back.
    """

    to_theirs: Callable[[np.ndarray], np.ndarray]
    to_ours: Callable[[np.ndarray], np.ndarray]


SAME = Layout(lambda array: array, lambda array: array)
TRANSPOSED = Layout(np.transpose, np.transpose)
COLUMN = Layout(lambda array: array[:, None], lambda array: array[:, 0])
ROW = Layout(lambda array: array[None], lambda array: array[0])

# A variable's name in its bank, what the other library calls it, and how it lays it out.
Place = tuple[str, str, Layout]
# For a bank at a module path, its variables there.
Places = Callable[[str, TaskBank], Iterable[Place]]


@dataclass(frozen=True)
class Slot:
    """Where one of their tensors lives in a model of ours.

    Attributes:
        ours: Our module path.
        layout: How the two arrays correspond.
        shape: Theirs.
    """

    ours: str
    layout: Layout
    shape: tuple[int, ...]


def slot_table(
    places: Places,
    model: TaskModel,
    rename: Callable[[str], str],
    paths: Iterable[str] | None = None,
) -> dict[str, Slot]:
    """List every tensor of one task as the other library names it.

    Args:
        places: Of the library, for the model's method.
        model: With that method's adapters.
        rename: From a name of the library's table to the one in its file.
        paths: The module paths to take; all by default.

    Returns:
        Slots by their name.
    """
    chosen = model.banks if paths is None else {path: model.banks[path] for path in paths}
    return {
        rename(theirs): slot
        for path, bank in chosen.items()
        for theirs, slot in _bank_slots(places, path, bank)
    }


def own_places(path: str, bank: TaskBank) -> Iterator[Place]:
    """List the places of tensors that are named as ours are.

    Args:
        path: Module path of a bank.
        bank: There.

    Yields:
        Every variable under its own path.
    """
    for name in (*bank.banks, *bank.shared):
        yield name, f"{path}.{bank.name}.{name}", SAME


def _bank_slots(places: Places, path: str, bank: TaskBank) -> Iterator[tuple[str, Slot]]:
    shapes = {name: tuple(variable.shape[1:]) for name, variable in bank.banks.items()}
    shapes |= {name: tuple(variable.shape) for name, variable in bank.shared.items()}
    for name, theirs, layout in places(path, bank):
        shape = layout.to_theirs(np.empty(shapes[name])).shape
        yield theirs, Slot(f"{path}.{bank.name}.{name}", layout, shape)


def their_tensors(table: Mapping[str, Slot], model: TaskModel, task: str) -> dict[str, np.ndarray]:
    """Read one task's weights under the other library's names.

    Args:
        table: Of the model.
        model: With adapters.
        task: One of its tasks.

    Returns:
        float32 arrays.
    """
    tensors = task_tensors(model, task)
    return {theirs: slot.layout.to_theirs(tensors[slot.ours]) for theirs, slot in table.items()}


def assign_tensors(
    table: Mapping[str, Slot], model: TaskModel, tensors: Mapping[str, np.ndarray]
) -> None:
    """Give a model of one task the other library's weights.

    Args:
        table: Of the model.
        model: Of one task.
        tensors: Theirs, by their names.

    Raises:
        WeightsError: Tensors are missing, unexpected or misshapen; they are named.
    """
    check_tensors(tensors, {name: slot.shape for name, slot in table.items()})
    variables = model.trainable_by_path()
    for name, slot in table.items():
        variable = variables[slot.ours]
        value = slot.layout.to_ours(tensors[name]).astype(np.float32)
        variable.assign(value[None] if model.is_bank(variable) else value)
