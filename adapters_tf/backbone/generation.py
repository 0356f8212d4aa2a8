"""What a checkpoint says of generating: which tokens start and end an answer, and the rest.

As transformers reads them, `generation_config.json` goes before `config.json`. Answers here are
decoded greedily up to the task's length, so all that says otherwise is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, T5Config

from adapters_tf.errors import WeightsError, say_note
from adapters_tf.files.json_objects import read_json_object

GENERATION_FILE = "generation_config.json"
_IDS = ("decoder_start_token_id", "eos_token_id")
# What says nothing about which tokens are answered.
_HARMLESS = (
    "bos_token_id",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",  # batches here have a padding of their own
    "return_dict_in_generate",
    "transformers_version",
    "use_cache",
)
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")


def read_generation(folder: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Read which ids start and end an answer; name the settings that are not honoured.

    Args:
        folder: Of the checkpoint.
        fields: Of its config.json.

    Returns:
        Fields of a T5 configuration; `eos_token_id` may be a list.

    Raises:
        WeightsError: The file is no JSON object, or an id is none.
    """
    file = folder / GENERATION_FILE
    told = read_json_object(file) if file.is_file() else {}
    defaults = GenerationConfig().to_dict()
    merged = {name: fields[name] for name in defaults if name in fields} | told
    ids = {name: merged[name] for name in _IDS if merged.get(name) is not None}
    for name, value in ids.items():
        many = value if isinstance(value, list) and name == "eos_token_id" else [value]
        if not many or not all(isinstance(one, int) and one >= 0 for one in many):
            raise WeightsError(f"{folder}: {name} is {value!r}, expected a token id")
    ignored = (*_IDS, *_HARMLESS, *(() if merged.get("do_sample") else _SAMPLING))
    for name, value in merged.items():
        if name in ignored or name.startswith("_") or value == defaults.get(name):
            continue
        if value not in (None, False, [], {}):
            say_note(f"{folder}: {name} = {value!r} of its generation settings is not honoured")
    return ids


def end_ids(config: T5Config) -> list[int]:
    """List the ids that end an answer.

    Args:
        config: Of a TFT5.

    Returns:
        One id, or several.
    """
    ids: Any = config.eos_token_id
    return list(ids) if isinstance(ids, list | tuple) else [] if ids is None else [ids]
