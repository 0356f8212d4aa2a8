"""What the benchmarks count by: the products of a step, and contestants that take turns."""

import sys

import pytest

from adapters_tf.backbone.presets import PRESETS
from benchmarks.step_products import attention_backward, flops, step_products
from benchmarks.turns import Contestant, compare
from trainer.preflight.flops import AdapterShape, T5Shape, train_flops

B, S, T, FACTOR = 8, 128, 16, 32


@pytest.mark.parametrize("preset", ("t5-small", "t5-v1_1-small"))
def test_products_are_those_of_a_step_but_for_what_has_no_gradient(preset):
    sizes = {"vocab_size": 32_128, **PRESETS[preset]}
    D, L = sizes["d_model"], sizes["num_layers"]
    shape = T5Shape(
        width=D,
        inner=sizes["num_heads"] * sizes["d_kv"],
        hidden=sizes["d_ff"],
        encoder_layers=L,
        decoder_layers=L,
        vocabulary=sizes["vocab_size"],
        is_gated="gated" in sizes["feed_forward_proj"],
    )
    # Two adapters a layer, of two matrices each.
    adapters = AdapterShape(*[2 * 2 * D * (D // FACTOR) * L] * 2)
    before_adapters = [
        (*product, 1)
        for length in (S, T)
        for product in attention_backward(sizes, B, length, length)
    ]
    found = flops(step_products(sizes, FACTOR, B, S, T, weighted=B * T))
    assert found == train_flops(shape, B, S, T, adapters) - flops(before_adapters)


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


def test_a_contestant_that_ends_says_why(tmp_path):
    broken = contestant(tmp_path, "broken", "step = lambda: 1 / 0")
    with pytest.raises(SystemExit, match=r"broken ended with 1:[^§]*ZeroDivisionError"):
        compare([broken], turns=1, steps=1)
