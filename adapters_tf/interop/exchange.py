"""What a library's table says about an adapter method, and the folders all libraries write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.adapter_files import CONFIG_FILE, read_adapter_config, read_tensors
from adapters_tf.files.tensors import write_tensors, write_text
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.interop.slots import Places
from adapters_tf.model.task_model import TaskModel

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Reading:
    """What a folder of another library asks for.

    Attributes:
        settings: Of our adapter method.
        paths: The module paths that have tensors there; None for all that the settings name.
        tensors: The adapter's weights as `task_tensors` names them, of a method without places.
        notes: What a person should know, one line each.
    """

    settings: Any
    paths: frozenset[str] | None = None
    tensors: Tensors | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MethodMapping:
    """How another library holds one adapter method: an entry of that library's table.

    Attributes:
        method: Our settings class.
        describe: Our settings in the words of their configuration.
        read: Their configuration and tensors, for a backbone, in ours.
        places: For a bank at a module path, its variables there; None where one tensor of theirs
            holds variables of several banks.
        collect: In that case, with our settings, one task's tensors by their names; `read` takes
            them apart.
    """

    method: type
    describe: Callable[[Any, TaskModel], dict[str, Any]]
    read: Callable[[Mapping[str, Any], Any, Tensors], Reading]
    places: Places | None = None
    collect: Callable[[Any, TaskModel, str], dict[str, np.ndarray]] | None = None


def check_fields(
    library: str, fields: Mapping[str, Any], read: Iterable[str], harmless: Iterable[str]
) -> None:
    """Refuse settings that mean something there is no counterpart for.

    Args:
        library: Its name, for messages.
        fields: Of its configuration.
        read: Those that are read.
        harmless: Those that the outputs do not depend on.

    Raises:
        WeightsError: Another one says something.
    """
    known = {*read, *harmless}
    for name, value in fields.items():
        if name not in known and value not in (None, False, 0.0, [], {}, "none"):
            raise WeightsError(f"{library}'s setting {name} = {value!r} has no counterpart here")


def only_method(model: TaskModel, library: str) -> Any:
    """Take the settings of the one method that a folder of another library can hold.

    Args:
        model: With adapters.
        library: Its name, for messages.

    Returns:
        The settings.

    Raises:
        ConfigurationError: There is none or several.
    """
    if len(model.methods) != 1:
        held = ", ".join(type(method).__name__ for method in model.methods) or "none"
        raise ConfigurationError(f"{library} holds one adapter method to a folder, not {held}")
    return model.methods[0]


def has_trained_backbone(model: TaskModel) -> bool:
    """Tell whether something trains that is no adapter's and no head's: T5's own layer norms."""
    own = {
        id(variable)
        for bank in (*model.banks.values(), *([model.heads] if model.heads else []))
        for variable in (*bank.banks.values(), *bank.shared.values())
    }
    return any(id(variable) not in own for variable in model.trainable_variables)


def read_weights(folder: Path, weights_file: str, pickle_file: str) -> dict[str, np.ndarray]:
    """Read the weights of an adapter folder.

    Args:
        folder: Of the other library.
        weights_file: The name of its safetensors file.
        pickle_file: The name of its pickle, which is refused: reading one can run any code.

    Returns:
        Arrays by name.

    Raises:
        WeightsError: No safetensors file, or a torn one.
    """
    file = folder / weights_file
    if not file.is_file() and (folder / pickle_file).is_file():
        raise WeightsError(
            f"{folder / pickle_file} is a pickle, which can run any code; where torch is"
            ' installed, convert it with: python -c "import torch; from safetensors.torch import'
            f" save_file; save_file({{name: tensor.clone().contiguous() for name, tensor in"
            f" torch.load('{folder / pickle_file}', weights_only=True).items() if '.pool.' not in"
            f" name}}, '{file}')\""  # AdapterHub names a prefix again at every attention
        )
    return read_tensors(folder, weights_file)


def check_target(folder: Path, mark: str) -> None:
    """Make sure that writing a folder destroys nothing but an earlier one of its kind.

    Args:
        folder: Where somebody wants an adapter.
        mark: The field of `adapter_config.json` that tells the format.

    Raises:
        ConfigurationError: Something else is there.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        is_its_kind = mark in read_adapter_config(folder)
    except WeightsError:
        is_its_kind = False
    if not is_its_kind:
        raise ConfigurationError(f"{folder} holds something else; choose a new folder")


def write_folder(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], weights_file: str
) -> None:
    """Write an adapter folder, replacing what an earlier export left there.

    Args:
        folder: Made whole beside its place, then renamed.
        config: For `adapter_config.json`.
        tensors: Arrays by name.
        weights_file: The name of the safetensors file.
    """
    text = json.dumps(config, indent=2, sort_keys=True)
    # safetensors writes an array's memory as it lies, whatever its strides.
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replaced_folder(folder) as partial:
        write_text(partial / CONFIG_FILE, text + "\n")
        write_tensors(contiguous, partial / weights_file, {"format": "pt"})
