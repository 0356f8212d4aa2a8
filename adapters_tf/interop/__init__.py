"""One task's adapter as another library's folder, and back.

A library is a module with a table `METHODS` of `exchange.MethodMapping`: a further method takes an
entry there. torch is needed for none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import tf_keras

from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.adapter_files import read_adapter_config
from adapters_tf.interop import adapterhub, exchange, peft
from adapters_tf.interop.slots import assign_tensors, own_places, slot_table, their_tensors
from adapters_tf.methods import METHODS, method_name
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.composing import refuse_frozen

LIBRARIES: Mapping[str, ModuleType] = {"peft": peft, "adapterhub": adapterhub}


@dataclass(frozen=True)
class ImportedTask:
    """An adapter of another library in a model of ours.

    Attributes:
        model: Of one task; its backbone is the one that was given.
        notes: What a person should know, one line each.
    """

    model: TaskModel
    notes: tuple[str, ...]


def export_task(
    model: TaskModel, task: str, library: str, folder: str | Path, base: str = ""
) -> Path:
    """Write one task's adapter as another library's folder.

    Args:
        model: With adapters of one method.
        task: One of its tasks.
        library: One of `LIBRARIES`.
        folder: Where to.
        base: The backbone's name or folder, for the other library to find.

    Returns:
        The folder.

    Raises:
        ConfigurationError: The library cannot hold the adapter, and it says what is in the way; or
            the folder holds something else.
    """
    module = _library(library)
    exchange.check_target(Path(folder), module.MARK)
    refuse_frozen(model.backbone, library)
    settings = exchange.only_method(model, library)
    mapping = next((m for m in module.METHODS.values() if m.method is type(settings)), None)
    if mapping is None:
        name = method_name(settings)
        held = ", ".join(
            own
            for own, kind in METHODS.items()
            if any(m.method is kind for m in module.METHODS.values())
        )
        raise ConfigurationError(f"{library} cannot hold the method {name!r}; it holds {held}")
    config = module.full_config(mapping.describe(settings, model), model, task, base)
    rename = module.namer(config)
    if mapping.collect is not None:
        tensors = {
            rename(name): array for name, array in mapping.collect(settings, model, task).items()
        }
    else:
        tensors = their_tensors(slot_table(mapping.places, model, rename), model, task)
    exchange.write_folder(Path(folder), config, tensors, module.WEIGHTS_FILE)
    return Path(folder)


def import_task(
    backbone: tf_keras.Model, task: str, library: str, folder: str | Path
) -> ImportedTask:
    """Read another library's adapter into a model of one task.

    Args:
        backbone: A built TFT5 without adapters; they are injected into it.
        task: The name the adapter gets.
        library: One of `LIBRARIES`.
        folder: What the library saved.

    Returns:
        The model, for `save_task` to write.

    Raises:
        WeightsError: The folder is not whole, holds something there is no counterpart for, or was
            made for another backbone.
    """
    module, source = _library(library), Path(folder)
    config = read_adapter_config(source)
    with _named(source):
        mapping = module.mapping_to_read(config)
    tensors = exchange.read_weights(source, module.WEIGHTS_FILE, module.PICKLE_FILE)
    with _named(source):
        reading = mapping.read(config, backbone, tensors)
        model = TaskModel(backbone, (task,), reading.settings)
        paths = [path for path in model.banks if reading.paths is None or path in reading.paths]
        if reading.tensors is not None:
            assign_tensors(slot_table(own_places, model, str), model, reading.tensors)
        else:
            table = slot_table(mapping.places, model, module.namer(config, tensors), paths)
            assign_tensors(table, model, tensors)
    return ImportedTask(model, (*reading.notes, *_notes(model, paths)))


@contextmanager
def _named(source: Path) -> Iterator[None]:
    """Say which folder an error is about."""
    try:
        yield
    except KeyError as error:
        raise WeightsError(f"{source / exchange.CONFIG_FILE} has no {error.args[0]!r}") from None
    except ValueError as error:
        raise WeightsError(f"{source}: {error}") from None


def _notes(model: TaskModel, paths: list[str]) -> tuple[str, ...]:
    notes = []
    idle = [path for path in model.banks if path not in paths]
    if idle:
        notes.append(
            f"{len(idle)} of {len(model.banks)} layers have no adapter there; here they have one"
            f" that changes nothing ({idle[0]} is the first)"
        )
    if any(bank.shared for bank in model.banks.values()):
        notes.append(
            "the adapter's layer norms are its own there; here all tasks of a model share them"
        )
    return tuple(notes)


def _library(name: str) -> ModuleType:
    if name not in LIBRARIES:
        raise ConfigurationError(f"format {name!r} is unknown; {suggest(name, LIBRARIES)}")
    return LIBRARIES[name]
