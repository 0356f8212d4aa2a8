import math

import pytest

from adapters_tf.backbone.presets import PRESETS, embedding_rows, preset_config
from adapters_tf.errors import ConfigurationError


def count_parameters(config) -> int:
    """Counts a T5's parameters from its sizes alone."""
    attention = 4 * config.d_model * config.num_heads * config.d_kv
    feed_forward = (3 if config.is_gated_act else 2) * config.d_model * config.d_ff
    encoder = config.num_layers * (attention + feed_forward + 2 * config.d_model)
    decoder = config.num_decoder_layers * (2 * attention + feed_forward + 3 * config.d_model)
    extra = 2 * config.d_model + 2 * config.relative_attention_num_buckets * config.num_heads
    heads = 1 if config.tie_word_embeddings else 2
    return encoder + decoder + extra + heads * config.vocab_size * config.d_model


# Published parameter counts of the PyTorch checkpoints (tied embeddings counted once).
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-v1_1-small", 76_961_152),
        ("flan-t5-small", 76_961_152),
        ("mt5-small", 300_176_768),
    ],
)
def test_presets_have_the_published_parameter_counts(name, parameters):
    assert count_parameters(preset_config(name)) == parameters


def test_every_preset_starts_decoding_from_the_pad_id_and_ends_at_one():
    for name in PRESETS:
        config = preset_config(name)
        assert (config.decoder_start_token_id, config.pad_token_id, config.eos_token_id) == (
            0,
            0,
            1,
        )


def test_overrides_replace_fields_and_the_decoder_follows_the_encoder():
    config = preset_config("t5-tiny", num_layers=3, dropout_rate=0.0)
    assert (config.num_layers, config.num_decoder_layers, config.dropout_rate) == (3, 3, 0.0)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigurationError, match=r"no backbone preset 't5-smal'.*'t5-small'"):
        preset_config("t5-smal")


def test_an_unknown_field_names_the_nearest():
    with pytest.raises(ConfigurationError, match=r"no field 'dropout'.*'dropout_rate'"):
        preset_config("t5-tiny", dropout=0.0)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_heads", 0, "a whole number, 1 or more"),
        ("num_layers", 1.5, "a whole number, 1 or more"),
        ("num_decoder_layers", "two", "a whole number, 1 or more"),
        ("d_model", True, "a whole number, 1 or more"),
        ("pad_token_id", -1, "a whole number, 0 or more"),
        ("dropout_rate", 1, "a number from 0, below 1"),
        ("layer_norm_epsilon", math.nan, "a number, 0 or more"),
        ("feed_forward_proj", 3, "a text such as relu"),
        ("tie_word_embeddings", "no", "true or false"),
    ],
)
def test_a_value_that_cannot_be_is_refused(field, value, expected):
    with pytest.raises(ConfigurationError, match=f"{field} is {value!r}; expected {expected}"):
        preset_config("t5-tiny", **{field: value})


@pytest.mark.parametrize(("ids", "rows"), [(32100, 32128), (128, 128), (129, 256), (1, 128)])
def test_embedding_rows_are_rounded_up_as_t5_does(ids, rows):
    assert embedding_rows(ids) == rows
