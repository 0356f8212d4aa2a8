"""What the benchmarks count by: the products of a step, and contestants that take turns."""

import sys

import pytest

from adapters_tf.backbone.presets import PRESETS
from benchmarks.step_products import answer_products, attention_backward, flops, step_products
from benchmarks.turns import Contestant, compare
from trainer.preflight.flops import AdapterShape, T5Shape, forward_flops, train_flops

B, S, T, FACTOR = 8, 128, 16, 32


def shape_of(sizes):
    return T5Shape(
        width=sizes["d_model"],
        inner=sizes["num_heads"] * sizes["d_kv"],
        hidden=sizes["d_ff"],
        encoder_layers=sizes["num_layers"],
        decoder_layers=sizes["num_layers"],
        vocabulary=sizes["vocab_size"],
        is_gated="gated" in sizes["feed_forward_proj"],
    )


@pytest.mark.parametrize("preset", ("t5-small", "t5-v1_1-small"))
def test_products_are_those_of_a_step_but_for_what_has_no_gradient(preset):
    sizes = {"vocab_size": 32_128, **PRESETS[preset]}
    D, L = sizes["d_model"], sizes["num_layers"]
    shape = shape_of(sizes)
    # Two adapters a layer, of two matrices each.
    adapters = AdapterShape(*[2 * 2 * D * (D // FACTOR) * L] * 2)
    before_adapters = [
        (*product, 1)
        for length in (S, T)
        for product in attention_backward(sizes, B, length, length)
    ]
    found = flops(step_products(sizes, FACTOR, B, S, T, weighted=B * T))
    assert found == train_flops(shape, B, S, T, adapters) - flops(before_adapters)


@pytest.mark.parametrize("preset", ("t5-small", "t5-v1_1-small"))
def test_products_of_answers_are_those_of_a_pass_but_for_what_is_not_yet_said(preset):
    sizes = {"vocab_size": 32_128, **PRESETS[preset]}
    shape = shape_of(sizes)
    once, each = answer_products(sizes, B, S, T)
    unseen = T - (T + 1) // 2  # of a token's T places
    spared = 4 * B * T * unseen * shape.inner * shape.decoder_layers
    assert flops(once) + T * flops(each) == forward_flops(shape, B, S, T) - spared


def test_products_of_one_token_spare_the_keys_and_values_of_the_inputs():
    sizes = {"vocab_size": 32_128, **PRESETS["t5-small"]}
    once, each = answer_products(sizes, B, S, 1)
    assert flops(once) + flops(each) < 0.9 * forward_flops(shape_of(sizes), B, S, 1)


def contestant(folder, name, step):
    program = f"from benchmarks.turns import take_turns\n{step}\ntake_turns(step)"
    return Contestant(name, [sys.executable, "-c", program], folder / f"{name}.log")


def test_contestants_take_turns(tmp_path):
    quick, other = (
        contestant(tmp_path, name, f"step = lambda: ({real}, 10)")
        for name, real in (("quick", 4), ("other", 5))
    )
    compare([quick, other], turns=3, steps=2)
    assert [turn["steps"] for turn in quick.figures] == [2, 2, 2]
    assert (quick.real_share(), other.real_share()) == (0.4, 0.5)
    assert all(seconds > 0 for seconds in quick.seconds())
    assert 1e6 < quick.peak() < 1e8  # of a plain Python, not of this process


def test_a_contestant_that_ends_says_why(tmp_path):
    broken = contestant(tmp_path, "broken", "step = lambda: 1 / 0")
    with pytest.raises(SystemExit, match=r"broken ended with 1:[^§]*ZeroDivisionError"):
        compare([broken], turns=1, steps=1)
