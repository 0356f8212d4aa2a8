"""Hugging Face T5 tensors to TFT5 variables and back: one table, read in two directions.

PyTorch keeps a dense layer's weight as [outputs, inputs] and Keras as [inputs, outputs], so a
table entry says which variable a tensor is and whether it is transposed. The table is made by
walking the model's layers, so an injected wrapper (a layer with an attribute `base`) is looked
through and variable names don't matter.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf.backbone.sites import unwrap
from adapters_tf.backbone.tying import HEAD, SHARED, Tying, read_tying
from adapters_tf.errors import WeightsError
from adapters_tf.files.local_paths import local_path
from adapters_tf.files.tensors import write_tensors, write_text

# A table that early conversions from Mesh TensorFlow wrote though no model ever had it.
_IGNORED = re.compile(
    r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"
)
_SHOWN = 6


@dataclass(frozen=True)
class TensorSlot:
    """Where one Hugging Face tensor lives in a TFT5.

    Attributes:
        variable: The TensorFlow variable.
        is_transposed: Whether the tensor is the variable's transpose.
    """

    variable: tf.Variable
    is_transposed: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the Hugging Face tensor."""
        shape = tuple(self.variable.shape)
        return shape[::-1] if self.is_transposed else shape

    def read(self) -> np.ndarray:
        """Read the variable's value as PyTorch lays it out (a contiguous array)."""
        value = self.variable.numpy().astype(np.float32, copy=False)
        return np.ascontiguousarray(value.T if self.is_transposed else value)

    def write(self, tensor: np.ndarray) -> None:
        """Assign a tensor laid out as PyTorch does."""
        value = tensor.T if self.is_transposed else tensor
        self.variable.assign(value.astype(self.variable.dtype.as_numpy_dtype))


def tensor_table(model: Any) -> dict[str, TensorSlot]:
    """List every tensor of a T5 checkpoint and the variable that holds it.

    Args:
        model: A built `TFT5ForConditionalGeneration`, with or without injected adapters.

    Returns:
        Slots by Hugging Face name, in the order of the model's layers.
    """
    table = {SHARED: TensorSlot(model.shared.embeddings, False)}
    for name in ("encoder", "decoder"):
        table.update(_stack_slots(name, unwrap(getattr(model, name))))
    if not model.config.tie_word_embeddings:
        table[HEAD] = TensorSlot(model.lm_head.kernel, True)
    return table


def _stack_slots(prefix: str, stack: Any) -> Iterator[tuple[str, TensorSlot]]:
    for index, block in enumerate(stack.block):
        for position, sublayer in enumerate(block.layer):
            path = f"{prefix}.block.{index}.layer.{position}"
            for kind in ("SelfAttention", "EncDecAttention", "DenseReluDense"):
                if hasattr(sublayer, kind):
                    yield from _module_slots(f"{path}.{kind}", unwrap(getattr(sublayer, kind)))
            yield f"{path}.layer_norm.weight", TensorSlot(unwrap(sublayer.layer_norm).weight, False)
    norm = unwrap(stack.final_layer_norm)
    yield f"{prefix}.final_layer_norm.weight", TensorSlot(norm.weight, False)


def _module_slots(path: str, module: Any) -> Iterator[tuple[str, TensorSlot]]:
    for dense in ("q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"):
        if hasattr(module, dense):
            yield f"{path}.{dense}.weight", TensorSlot(unwrap(getattr(module, dense)).kernel, True)
    if getattr(module, "has_relative_attention_bias", False):
        slot = TensorSlot(module.relative_attention_bias, False)
        yield f"{path}.relative_attention_bias.weight", slot


def import_tensors(
    model: Any, tensors: Mapping[str, np.ndarray], tying: Tying | None = None
) -> dict[str, str]:
    """Give every variable of a TFT5's backbone its value from Hugging Face tensors.

    Args:
        model: A built `TFT5ForConditionalGeneration`.
        tensors: PyTorch-named arrays of any float dtype. May be a lazy mapping: each tensor is
            asked for when it is assigned, and nothing is assigned unless all names fit.
        tying: What `read_tying` found in them; by default that is done here, by the model's
            configuration.

    Returns:
        What became of every tensor, in a few words by name.

    Raises:
        WeightsError: Tensors are missing, unexpected or of another shape; they are named.
    """
    table = tensor_table(model)
    if tying is None:
        tying = read_tying(model.config.to_dict(), tensors)
    sources = {name: name for name in table if name in tensors}
    if tying.embedding in tensors:
        sources[SHARED] = tying.embedding
    if HEAD in table and tying.head is not None and tying.head in tensors:
        sources[HEAD] = tying.head
    missing = [name for name in table if name not in sources]
    fates = _fates(tensors, set(sources.values()), tying)
    unexpected = [name for name in tensors if name not in fates]
    if missing or unexpected:
        raise WeightsError(
            "these tensors are not those of the T5 its config.json describes: "
            f"missing {_listing(missing)}; unexpected {_listing(unexpected)}"
        )
    _check_shapes(table, sources, tensors)
    for name, slot in table.items():
        tensor = tensors[sources[name]]
        _check_values(sources[name], tensor)
        if name == HEAD and tying.head_factor != 1:
            tensor = tensor.astype(np.float32) * np.float32(tying.head_factor)
        slot.write(tensor)
    return fates


def _fates(tensors: Iterable[str], read: set[str], tying: Tying) -> dict[str, str]:
    fates = {}
    for name in tensors:
        if name in read:
            fates[name] = tying.describe(name)
        elif name in tying.copies:
            fates[name] = f"left out: equal to {tying.embedding}"
        elif _IGNORED.fullmatch(name):
            fates[name] = "left out: no T5 has it, and PyTorch's reads it neither"
    return fates


def _check_shapes(
    table: dict[str, TensorSlot], sources: dict[str, str], tensors: Mapping[str, np.ndarray]
) -> None:
    wrong = []
    for name, slot in table.items():
        shape = tuple(_shape_of(tensors, sources[name]))
        if shape != slot.shape:
            wrong.append(f"{name} is {list(shape)} and should be {list(slot.shape)}")
    if wrong:
        raise WeightsError(f"tensors of the wrong shape: {_listing(wrong)}")


def _check_values(name: str, tensor: np.ndarray) -> None:
    """Refuse what is no weight: whole numbers of a quantized model, NaN and infinity."""
    if np.issubdtype(tensor.dtype, np.integer) or tensor.dtype == bool:
        raise WeightsError(f"tensor {name} holds {tensor.dtype}, and weights are floats")
    if not np.isfinite(tensor.astype(np.float32)).all():
        raise WeightsError(f"tensor {name} holds values that are not finite (NaN or infinity)")


def _shape_of(tensors: Mapping[str, np.ndarray], name: str) -> tuple[int, ...]:
    shapes = getattr(tensors, "shapes", None)
    return shapes[name] if shapes is not None else tensors[name].shape


def _listing(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def export_tensors(model: Any) -> dict[str, np.ndarray]:
    """Read the backbone's weights as PyTorch's `T5ForConditionalGeneration` has them.

    Args:
        model: A built `TFT5ForConditionalGeneration`; injected adapters are left out.

    Returns:
        float32 arrays by name, of PyTorch's shapes. A tied head is not written twice: PyTorch ties
        it on loading.
    """
    return {name: slot.read() for name, slot in tensor_table(model).items()}


def save_backbone(
    model: Any,
    directory: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a folder that PyTorch `transformers` loads with nothing missing.

    Every file is written beside its place first and all are then renamed, `config.json` last:
    a full disk or a kill leaves what was there before.

    Args:
        model: A built `TFT5ForConditionalGeneration`; injected adapters are left out.
        directory: Made if absent; files of an earlier save are replaced.
        tensors: What to write instead of the model's own weights, by the same names.
    """
    folder = local_path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    config = {**model.config.to_dict(), "architectures": ["T5ForConditionalGeneration"]}
    config.update(dtype="float32", torch_dtype="float32", model_type="t5")
    # transformers 4 reads the one and 5 the other.
    config["scale_decoder_outputs"] = bool(config["tie_word_embeddings"])
    contents = {
        "model.safetensors": lambda path: write_tensors(
            tensors or export_tensors(model), path, {"format": "pt"}
        ),
        "generation_config.json": lambda path: write_text(
            path, model.generation_config.to_json_string()
        ),
        "config.json": lambda path: write_text(
            path, json.dumps(config, indent=2, sort_keys=True) + "\n"
        ),
    }
    for name in contents:  # of a program that was killed
        for leftover in folder.glob(f".{name}.*.tmp"):
            leftover.unlink(missing_ok=True)
    unfinished = {name: folder / f".{name}.{os.getpid()}.tmp" for name in contents}
    try:
        for name, write in contents.items():
            write(unfinished[name])
        for name, path in unfinished.items():
            path.replace(folder / name)
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
