"""Sizes of the published T5 models (and one tiny one of ours): numbers only, nothing to download.

Sizes come from the `config.json` files published with the checkpoints, and from table 1 of
"mT5: A massively multilingual pre-trained text-to-text transformer" (arXiv:2010.11934).
"""

import inspect
import math
from typing import Any

from transformers import T5Config

from adapters_tf.errors import ConfigurationError, suggest

# T5 rounds its embedding up to a multiple of this: 32,100 pieces and sentinels make 32,128 rows.
VOCABULARY_MULTIPLE = 128

_ORIGINAL = {"feed_forward_proj": "relu", "tie_word_embeddings": True}
_VERSION_1_1 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}

PRESETS: dict[str, dict[str, Any]] = {
    "t5-tiny": {
        **_ORIGINAL,
        **{"d_model": 128, "d_kv": 32, "d_ff": 512, "num_layers": 2, "num_heads": 4},
    },
    "t5-small": {
        **_ORIGINAL,
        **{"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8},
    },
    "t5-base": {
        **_ORIGINAL,
        **{"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
    },
    "t5-v1_1-small": {
        **_VERSION_1_1,
        **{"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    },
    "flan-t5-small": {
        **_VERSION_1_1,
        **{"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    },
    "mt5-small": {
        **_VERSION_1_1,
        **{"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
        "vocab_size": 250112,
    },
}


def check_overrides(overrides: dict[str, Any]) -> None:
    """Refuse a field that a T5 configuration doesn't have, or a value that it cannot have.

    Args:
        overrides: Values by field.

    Raises:
        ConfigurationError: No such field; it names the nearest that exists. Or no such value.
    """
    parameters = inspect.signature(T5Config.__init__).parameters.items()
    fields = {name: one.default for name, one in parameters if name not in ("self", "kwargs")}
    fields |= {"tie_word_embeddings": True, "num_decoder_layers": fields["num_layers"]}
    for field, value in overrides.items():
        if field not in fields:
            raise ConfigurationError(
                f"a T5 configuration has no field '{field}'; {suggest(field, fields)}"
            )
        if not _fits(field, value, fields[field]):
            raise ConfigurationError(
                f"model.overrides: {field} is {value!r}; expected {_what(field, fields[field])}"
            )


def _fits(field: str, value: Any, usual: Any) -> bool:
    """Tell whether a value is of the kind of the usual one, and possible."""
    if isinstance(usual, bool | str):
        return isinstance(value, type(usual))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(usual, int):
        return isinstance(value, int) and value >= (0 if field.endswith("_id") else 1)
    return 0 <= value < (1 if field.endswith("dropout_rate") else math.inf)


def _what(field: str, usual: Any) -> str:
    if isinstance(usual, bool | str):
        return "true or false" if isinstance(usual, bool) else f"a text such as {usual}"
    if isinstance(usual, int):
        return f"a whole number, {0 if field.endswith('_id') else 1} or more"
    return "a number from 0, below 1" if field.endswith("dropout_rate") else "a number, 0 or more"


def preset_config(name: str, **overrides: Any) -> T5Config:
    """Make the configuration of a preset, with some fields replaced.

    Args:
        name: One of `PRESETS`.
        **overrides: Fields of `transformers.T5Config`, such as `dropout_rate=0.0`.

    Returns:
        A configuration. The decoder has as many layers as the encoder unless told otherwise.

    Raises:
        ConfigurationError: No such preset, or no such field.
    """
    if name not in PRESETS:
        raise ConfigurationError(f"there is no backbone preset '{name}'; {suggest(name, PRESETS)}")
    check_overrides(overrides)
    sizes = {"vocab_size": 32128, "decoder_start_token_id": 0, **PRESETS[name], **overrides}
    return T5Config(**sizes)


def embedding_rows(vocabulary_size: int) -> int:
    """Count the rows of a new model's embedding for so many token ids, rounded as T5 does."""
    return math.ceil(vocabulary_size / VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
