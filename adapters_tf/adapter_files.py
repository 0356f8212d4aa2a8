"""The two files of a task folder, read: its settings and its tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from adapters_tf.errors import WeightsError

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def read_settings(folder: Path) -> dict[str, Any]:
    """Read what a task folder says of its adapter.

    Args:
        folder: What `save_task` wrote.

    Returns:
        Its `adapter_config.json`.

    Raises:
        WeightsError: It is missing, or not such a file.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise WeightsError(f"{folder} holds no {CONFIG_FILE}")
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{file} is not JSON: {error}") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("methods"), dict):
        raise WeightsError(f"{file} names no adapter method of ours; `import` reads other formats")
    return settings


def read_task(folder: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors of a task's folder.

    Args:
        folder: What `save_task` wrote.

    Returns:
        Tensors by module path, as `task_tensors` gives them.

    Raises:
        WeightsError: The file is missing or torn.
    """
    file = Path(folder) / WEIGHTS_FILE
    if not file.is_file():
        raise WeightsError(f"{folder} holds no {WEIGHTS_FILE}")
    try:
        return load_file(str(file))
    except SafetensorError as error:
        raise WeightsError(f"{file} is not a whole safetensors file: {error}") from error
