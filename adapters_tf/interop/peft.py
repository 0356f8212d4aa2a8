"""Adapters as PyTorch's PEFT keeps them: in modules it finds by name, or beside the model.

Names are those of `peft` 0.21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from adapters_tf.errors import WeightsError, suggest
from adapters_tf.interop import peft_modules, peft_prompts
from adapters_tf.interop.exchange import MethodMapping
from adapters_tf.model.task_model import TaskModel

WEIGHTS_FILE = "adapter_model.safetensors"
PICKLE_FILE = "adapter_model.bin"
MARK = "peft_type"  # no other library's adapter_config.json has this field
PREFIX = "base_model.model."
# PEFT's task type of encoder-decoder language models.
TASK_TYPE = "SEQ_2_SEQ_LM"

METHODS: Mapping[str, MethodMapping] = {**peft_modules.METHODS, **peft_prompts.METHODS}


def mapping_to_read(config: Mapping[str, Any]) -> MethodMapping:
    """Look up the entry for a folder that PEFT wrote.

    Args:
        config: Its adapter_config.json.

    Returns:
        The entry.

    Raises:
        WeightsError: No PEFT folder, or a method there is no entry for.
    """
    kind = config.get("peft_type")
    if kind is None:
        raise WeightsError("its adapter_config.json has no peft_type: PEFT did not write it")
    if kind not in METHODS:
        raise WeightsError(f"PEFT's method {kind!r} has no counterpart; {suggest(kind, METHODS)}")
    return METHODS[kind]


def namer(config: Mapping[str, Any], names: Iterable[str] = ()) -> Callable[[str], str]:
    """Tell how the tensors of a folder are named.

    Args:
        config: Its adapter_config.json; what PEFT keeps beside the model has no path.
        names: Unused here.

    Returns:
        From a name of the table to the one in the file.
    """
    return str if config[MARK] in peft_prompts.METHODS else lambda name: PREFIX + name


def full_config(described: Mapping[str, Any], model: TaskModel, task: str, base: str) -> dict:
    """Put together the whole adapter_config.json.

    Args:
        described: What the entry says about the method.
        model: Unused here.
        task: Unused here: PEFT's folders have no names.
        base: The backbone's name or folder.

    Returns:
        Its fields.
    """
    about = {"base_model_name_or_path": base, "task_type": TASK_TYPE, "inference_mode": True}
    return {**described, **about}


def loading_command(folder: Path) -> str:
    """Tell how a person loads an exported folder there.

    Args:
        folder: The folder.

    Returns:
        A line of Python.
    """
    return f"peft.PeftModel.from_pretrained(model, {str(folder)!r})"
