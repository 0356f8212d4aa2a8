from dataclasses import replace

import pytest

from trainer.preflight.flops import (
    AdapterShape,
    T5Shape,
    attention_flops,
    forward_flops,
    least_memory,
    train_flops,
)

SMALL = T5Shape(
    width=512, inner=512, hidden=2048, encoder_layers=6, decoder_layers=6, vocabulary=32128
)


def test_a_small_t5s_step_is_what_its_compiler_counts():
    """756 GFLOP by XLA, which counts norms and the optimizer as well."""
    flops = train_flops(SMALL, 8, 512, 64)
    assert 756e9 / 1.02 < flops < 756e9


def test_attention_by_hand():
    """Six encoder layers of 512 by 512 scores, six of the decoder of 64 by 64 and 64 by 512."""
    scores = 8 * 6 * (512 * 512 + 64 * 64 + 64 * 512)
    assert attention_flops(SMALL, 8, 512, 64) == scores * 512 * 2 * 2


def test_one_position_of_each_by_hand():
    tiny = T5Shape(
        width=2, inner=3, hidden=5, encoder_layers=1, decoder_layers=1, vocabulary=7, is_gated=True
    )
    encoder = 2 * (4 * 2 * 3 + 3 * 2 * 5 + 2 * 3)
    decoder = 2 * (8 * 2 * 3 + 3 * 2 * 5 + 2 * 2 * 3)
    assert forward_flops(tiny, 1, 1, 1) == encoder + decoder + 2 * 2 * 7


def test_adapters_save_the_gradients_by_frozen_weights():
    """But for the products of attention, which have no weights: two backward for one forward."""
    forward = forward_flops(SMALL, 8, 512, 64)
    frozen = train_flops(SMALL, 8, 512, 64, AdapterShape(0, 0))
    assert frozen == 2 * forward + attention_flops(SMALL, 8, 512, 64)
    more = train_flops(SMALL, 8, 512, 64, AdapterShape(encoder=1, decoder=10))
    assert more - frozen == pytest.approx(6 * 8 * (512 + 640))


def test_a_prompt_lengthens_the_input():
    prompted = replace(SMALL, prompt=100)
    assert forward_flops(prompted, 8, 512, 64) == forward_flops(SMALL, 8, 612, 64)
    assert least_memory(prompted, 8, 512) == least_memory(SMALL, 8, 612)


def test_prefixes_are_more_keys_and_nothing_else():
    """Scores, and sums weighted by them: two products, of two operations, with every query."""
    prefixed = replace(SMALL, prefixes=(30, 20, 10))
    more = forward_flops(prefixed, 8, 512, 64) - forward_flops(SMALL, 8, 512, 64)
    assert more == 6 * 4 * 8 * 512 * (512 * 30 + 64 * 20 + 64 * 10)
    made = AdapterShape(0, 0, prefix=1000)
    unmade = train_flops(SMALL, 8, 512, 64, AdapterShape(0, 0))
    assert train_flops(SMALL, 8, 512, 64, made) == unmade + 6 * 1000


def test_the_least_memory_is_of_one_layers_scores():
    assert least_memory(replace(SMALL, heads=8), 4, 512) == 2 * 4 * 8 * 512 * 512
    assert least_memory(SMALL, 4, 8) == 2 * 4 * 512 * 8  # states, where these are more
