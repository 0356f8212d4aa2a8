"""A checkpoint's config.json: read, and held against what a T5 here makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import T5Config
from transformers.activations_tf import ACT2FN

from adapters_tf.errors import WeightsError, say_note
from adapters_tf.files.json_objects import read_json_object

CONFIG_FILE = "config.json"
# mT5 is T5 v1.1 with another vocabulary: the same layers and the same tensor names.
MODEL_TYPES = ("t5", "mt5")
# What another value than this of makes a model that is not built here.
_NEEDED: Mapping[str, tuple[Any, ...]] = {
    "is_encoder_decoder": (True, None),
    "tie_encoder_decoder": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}
# Written beside a T5's own fields, and nothing that is computed depends on them.
_HARMLESS = (
    "auto_map",
    "dtype",
    "gradient_checkpointing",
    "model_type",
    "n_positions",  # T5 has no longest input
    "output_past",
    "scale_decoder_outputs",  # read by `tying`
    "torch_dtype",
    "transformers_version",
)
_SHOWN = 6


def read_model_config(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's config.json, and name what it says that nothing here reads.

    Args:
        folder: Of the checkpoint.

    Returns:
        Its fields.

    Raises:
        WeightsError: There is none, or it describes a model that cannot be built here.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise WeightsError(f"{folder} has no {CONFIG_FILE}: not a Hugging Face model folder")
    fields = read_json_object(path)
    model_type = fields.get("model_type")
    if model_type not in MODEL_TYPES:
        raise WeightsError(
            f"{path}: model_type is {model_type!r}; expected one of {', '.join(MODEL_TYPES)}"
        )
    for name, valid in _NEEDED.items():
        if name in fields and fields[name] not in valid:
            raise WeightsError(
                f"{path}: {name} is {fields[name]!r}; such a T5 cannot be built here, only where "
                f"it is {valid[0]!r}"
            )
    unread = _unread(fields)
    if unread:
        more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        say_note(f"{path}: nothing here reads {', '.join(unread[:_SHOWN])}{more}")
    return fields


def _unread(fields: Mapping[str, Any]) -> list[str]:
    known = {*T5Config().to_dict(), *T5Config.attribute_map, *_HARMLESS}
    return [
        f"{name} = {value!r}"
        for name, value in fields.items()
        if name not in known and value is not None and not name.startswith("_")
    ]


def make_config(folder: Path, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> T5Config:
    """Make the configuration of a checkpoint's TFT5.

    Args:
        folder: Of the checkpoint, for messages.
        fields: Of its config.json.
        changes: Fields to replace.

    Returns:
        The configuration.

    Raises:
        WeightsError: A field says what no T5 has.
    """
    told = {name: value for name, value in fields.items() if name != "scale_decoder_outputs"}
    try:
        config = T5Config.from_dict({**told, "model_type": "t5", **changes})
    except ValueError as error:
        raise WeightsError(f"{folder / CONFIG_FILE}: {error}") from None
    if config.dense_act_fn not in ACT2FN:
        raise WeightsError(
            f"{folder / CONFIG_FILE}: the feed-forward's activation is {config.dense_act_fn!r}; "
            f"valid: {', '.join(ACT2FN)}"
        )
    if config.decoder_start_token_id is None:
        config.decoder_start_token_id = config.pad_token_id
    return config
