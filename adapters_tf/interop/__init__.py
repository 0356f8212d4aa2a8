"""One task's adapter as another library's folder, and back.

A library is a module with a table `METHODS` of `exchange.MethodMapping`: a further method takes an
entry there. torch is needed for none of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import tf_keras

from adapters_tf.backbone.huggingface import save_backbone
from adapters_tf.backbone.model_config import CONFIG_FILE as MODEL_CONFIG
from adapters_tf.backbone.model_config import MODEL_TYPES
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.adapter_files import read_adapter_config
from adapters_tf.interop import adapterhub, exchange, peft
from adapters_tf.interop.folding import check_foldable
from adapters_tf.interop.slots import assign_tensors, own_places, slot_table, their_tensors
from adapters_tf.methods import METHODS, method_name
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.composing import refuse_frozen

LIBRARIES: Mapping[str, ModuleType] = {"peft": peft, "adapterhub": adapterhub}
# A plain T5 with the adapter folded in, beside the libraries' own formats.
FOLDED = "hf"


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
        base: The backbone's name or folder, for the other library to find. Where T5's own layer
            norms trained, a T5 that has them is written to `base_folder` and named instead.

    Returns:
        The folder.

    Raises:
        ConfigurationError: The library cannot hold the adapter, and it says what is in the way; or
            the folder holds something else.
    """
    module = _library(library)
    exchange.check_target(Path(folder), module.MARK)
    refuse_frozen(model.backbone, library)
    mapping = _mapping_to_write(model, library)
    settings = model.methods[0]
    described = mapping.describe(settings, model)
    if exchange.has_trained_backbone(model):
        base = str(_write_base(model, Path(folder)))
    config = module.full_config(described, model, task, base)
    rename = module.namer(config)
    if mapping.collect is not None:
        tensors = {
            rename(name): array for name, array in mapping.collect(settings, model, task).items()
        }
    else:
        assert mapping.places is not None  # a method has one or the other
        tensors = their_tensors(slot_table(mapping.places, model, rename), model, task)
    exchange.write_folder(Path(folder), config, tensors, module.WEIGHTS_FILE)
    return Path(folder)


def base_folder(folder: str | Path) -> Path:
    """Name the plain T5 that is written beside an export, where T5's own layer norms trained."""
    folder = Path(folder)
    return folder.with_name(f"{folder.name}-t5")


def _write_base(model: TaskModel, folder: Path) -> Path:
    base = base_folder(folder)
    if base.exists() and not (base / MODEL_CONFIG).is_file() and any(base.iterdir()):
        raise ConfigurationError(
            f"{base}, where the T5 with the trained layer norms belongs, holds something else; "
            "choose a new folder"
        )
    save_backbone(model.backbone, base)
    return base


def _mapping_to_write(model: TaskModel, library: str) -> exchange.MethodMapping:
    module = _library(library)
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
    return mapping


def export_formats(model: TaskModel) -> dict[str, str]:
    """Tell to which formats the adapters of a model can go.

    Args:
        model: With adapters, trained or not.

    Returns:
        By format, what is written beside it; empty for nothing.
    """
    beside = "a T5 with the trained layer norms" if exchange.has_trained_backbone(model) else ""
    formats = {}
    for library in LIBRARIES:
        with contextlib.suppress(ConfigurationError):
            refuse_frozen(model.backbone, library)
            _mapping_to_write(model, library).describe(model.methods[0], model)
            formats[library] = beside
    with contextlib.suppress(ConfigurationError):
        check_foldable(model)
        formats[FOLDED] = ""
    return formats


def describe_formats(formats: Mapping[str, str]) -> str:
    """Word what `export_formats` found.

    Args:
        formats: By format, what is written beside it.

    Returns:
        A line.
    """
    if not formats:
        return "no other library and no plain T5 can hold these adapters"
    said = [name + (f" (beside {beside})" if beside else "") for name, beside in formats.items()]
    return f"export can write {', '.join(said)}"


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
        _check_base(config, backbone)
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


def _check_base(config: Mapping[str, Any], backbone: tf_keras.Model) -> None:
    """Refuse an adapter that says it was made for another kind or width of model."""
    kind = config.get("model_type")
    if kind is not None and kind not in MODEL_TYPES:
        raise WeightsError(
            f"made for a model of the type {kind!r}; expected one of {', '.join(MODEL_TYPES)}"
        )
    made_for, width = config.get("hidden_size"), backbone.config.d_model
    if made_for is not None and made_for != width:
        raise WeightsError(
            f"made for a model of the width {made_for} (hidden_size); this one is {width} wide"
        )


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
