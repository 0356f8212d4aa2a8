"""Answers of the programs that a TPU runs, compiled for this machine, are those of a CPU."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runtime.target import compiling_for_tpu
from eval import ArgmaxModel, BeamModel, GreedyModel
from tests.adapters_tf.methods.cases import make_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]

# What has state in attention, or states of its own for it to see.
NAMES = ("prefix", "prefix_before", "prefix_shifted", "prompt", "lora", "ia3", "bottleneck")
CASES = [(name, "batch") for name in NAMES]
CASES += [(name, "example") for name in ("prefix_shifted", "lora")]


def make_batch(uneven_batch, task):
    batch = uneven_batch(task=2)
    inputs = batch["encoder_input_tokens"]
    inputs[-1] = 0  # a row of padding
    return {"encoder_input_tokens": tf.constant(inputs), "task": tf.constant(task(len(inputs)))}


def answers(model, batch):
    """Argmax, greedy and beams, in one program."""
    beams = BeamModel(model, length=6, beams=3, n_best=2, length_penalty=0.6)(batch)
    return ArgmaxModel(model)(batch), GreedyModel(model, length=6)(batch), beams.tokens


@pytest.mark.parametrize(("name", "routing"), CASES)
def test_the_same_tokens_are_answered(name, routing, uneven_batch):
    model = make_model(name, routing=routing)
    random = np.random.default_rng(1)
    for variable in model.variables:  # of the backbone too, or all rows would be answered alike
        variable.assign_add(random.normal(0, 0.3, variable.shape))
    by_example = routing == "example"
    batch = make_batch(
        uneven_batch, lambda rows: np.arange(rows, dtype=np.int32) % 3 if by_example else [2] * rows
    )
    expected = answers(model, batch)
    with compiling_for_tpu():
        got = tf.function(lambda batch: answers(model, batch), jit_compile=True, autograph=False)(
            batch
        )
    for one, right in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one[:-1], right[:-1])
    assert not np.any(got[1][-1]) and not np.any(got[2][-1])  # padding answers nothing
    assert len({row.tobytes() for row in expected[1].numpy()}) > 2
