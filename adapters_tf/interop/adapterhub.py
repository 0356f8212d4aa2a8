"""Adapters as AdapterHub's library `adapters` keeps them.

Names are those of `adapters` 1.3; `{adapter}` stands for the name an adapter has there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_tf.errors import WeightsError, suggest
from adapters_tf.interop import hub_bottleneck, hub_lora, hub_prefix
from adapters_tf.interop.exchange import MethodMapping
from adapters_tf.interop.hub_layers import namer as namer  # a library's module has one
from adapters_tf.model.task_model import TaskModel

WEIGHTS_FILE = "adapter.safetensors"
PICKLE_FILE = "pytorch_adapter.bin"
MARK = "config"  # no other library's adapter_config.json has this field
# What a folder of ours says wrote it.
VERSION = "adapters.1.3.0"

METHODS: Mapping[str, MethodMapping] = {
    **hub_bottleneck.METHODS,
    **hub_lora.METHODS,
    **hub_prefix.METHODS,
}


def mapping_to_read(config: Mapping[str, Any]) -> MethodMapping:
    """Look up the entry for a folder that AdapterHub's library wrote.

    Args:
        config: Its adapter_config.json.

    Returns:
        The entry.

    Raises:
        WeightsError: No such folder, or a method there is no entry for.
    """
    fields = config.get("config")
    if not isinstance(fields, dict) or "name" not in config:
        raise WeightsError("its adapter_config.json has no config and name: not AdapterHub's")
    kind = fields.get("architecture") or "bottleneck"
    if kind == "lora":
        kind = fields.get("composition_mode", "add")
    if kind == "bottleneck" and fields.get("phm_layer"):
        kind = "compacter"
    if kind not in METHODS:
        raise WeightsError(f"AdapterHub's {kind!r} has no counterpart; {suggest(kind, METHODS)}")
    return METHODS[kind]


def full_config(described: Mapping[str, Any], model: TaskModel, task: str, base: str) -> dict:
    """Put together the whole adapter_config.json.

    Args:
        described: What the entry says about the method.
        model: Whose adapters they are.
        task: Its name there, but for characters PyTorch has no module names with.
        base: The backbone's name or folder.

    Returns:
        Its fields.
    """
    return {
        "config": dict(described),
        "hidden_size": model.backbone.config.d_model,
        "model_class": "T5ForConditionalGeneration",
        "model_name": base,
        "model_type": "t5",
        "name": re.sub(r"[^\w-]", "_", task),
        "version": VERSION,
    }


def loading_command(folder: Path) -> str:
    """Tell how a person loads an exported folder there.

    Args:
        folder: The folder.

    Returns:
        A line of Python.
    """
    return f"model.load_adapter({str(folder)!r}, use_safetensors=True, set_active=True)"
