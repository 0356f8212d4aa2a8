"""The two files of an adapter's folder, read: its configuration and its tensors.

Other libraries call the first by the same name; what is said of it here goes for theirs too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from adapters_tf.errors import WeightsError
from adapters_tf.files.json_objects import read_json_object

ADAPTERS_FOLDER = "adapters"  # of a run, with one folder per task
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of an adapter's folder.

    Args:
        folder: Of any library.

    Returns:
        Its `adapter_config.json`.

    Raises:
        WeightsError: It is missing or no JSON object.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise WeightsError(f"{folder} holds no {CONFIG_FILE}")
    return read_json_object(file)


def read_settings(folder: Path) -> dict[str, Any]:
    """Read what a task folder says of its adapter.

    Args:
        folder: What `save_task` wrote.

    Returns:
        Its `adapter_config.json`.

    Raises:
        WeightsError: It is missing, or not such a file.
    """
    settings = read_adapter_config(folder)
    if not isinstance(settings.get("methods"), dict):
        raise WeightsError(
            f"{folder / CONFIG_FILE} names no adapter method of ours; `import` reads other formats"
        )
    return settings


def read_tensors(folder: Path, weights_file: str) -> dict[str, np.ndarray]:
    """Read the tensors of an adapter's folder.

    Args:
        folder: Of any library.
        weights_file: The name of its safetensors file.

    Returns:
        Arrays by name.

    Raises:
        WeightsError: The file is missing or torn.
    """
    file = folder / weights_file
    if not file.is_file():
        raise WeightsError(f"{folder} holds no {weights_file}")
    try:
        return load_file(str(file))
    except SafetensorError as error:
        raise WeightsError(f"{file} is not a whole safetensors file: {error}") from None


def read_task(folder: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors of a task's folder.

    Args:
        folder: What `save_task` wrote.

    Returns:
        Tensors by module path, as `task_tensors` gives them.

    Raises:
        WeightsError: The file is missing or torn.
    """
    return read_tensors(Path(folder), WEIGHTS_FILE)
