import pytest

from trainer.preflight.flops import (
    AdapterShape,
    T5Shape,
    attention_flops,
    forward_flops,
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
