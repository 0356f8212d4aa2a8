"""Products laid out for a TPU equal those for a CPU, and so do their gradients."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runtime.products import (
    look_up,
    look_up_few,
    project,
    read_rows,
    score_words,
    score_words_gradient,
)
from adapters_tf.runtime.target import compiling_for_tpu, is_for_tpu

TOKENS = np.random.default_rng(0).integers(0, 7, (2, 5)).astype(np.int32)
CASES = {
    "project": (project, [(2, 5, 3), (3, 4)]),
    "project two axes": (project, [(5, 3), (3, 4)]),
    "score_words by rows": (partial(score_words, has_row_per_word=True), [(2, 5, 3), (7, 3)]),
    "score_words by columns": (partial(score_words, has_row_per_word=False), [(2, 5, 3), (3, 7)]),
    "look_up": (lambda table: look_up(table, TOKENS, tf.float32), [(7, 3)]),
    "look_up_few": (lambda table: look_up_few(table, TOKENS), [(7, 3)]),
}


def outputs_and_gradients(function, inputs, target):
    with target(), tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(*inputs)
        loss = tf.reduce_sum(outputs * tf.random.stateless_normal(outputs.shape, [0, 9]))
        gradients = tape.gradient(loss, inputs)
    return [outputs, *map(tf.convert_to_tensor, gradients)]


@pytest.mark.parametrize("name", CASES)
def test_a_tpu_and_a_cpu_compute_the_same(name):
    function, shapes = CASES[name]
    inputs = [tf.random.stateless_normal(shape, [1, 2]) for shape in shapes]
    expected = outputs_and_gradients(function, inputs, nullcontext)
    for got, value in zip(
        outputs_and_gradients(function, inputs, compiling_for_tpu), expected, strict=True
    ):
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [nullcontext, compiling_for_tpu])
@pytest.mark.parametrize("by_rows", [True, False])
def test_the_gradient_of_scores_is_the_tapes(by_rows, target):
    states = tf.random.stateless_normal((2, 5, 3), [1, 2])
    table = tf.random.stateless_normal((7, 3) if by_rows else (3, 7), [3, 4])
    slope = tf.random.stateless_normal((2, 5, 7), [5, 6])
    with tf.GradientTape() as tape:
        tape.watch([states, table])
        scores = score_words(states, table, has_row_per_word=by_rows)
    expected = tape.gradient(scores, [states, table], slope)
    with target():
        found = score_words_gradient(slope, states, table, has_row_per_word=by_rows)
    for got, value in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)


def test_the_lookups_gradient_on_a_tpu_is_no_scatter():
    def gradient(table):
        total = tf.reduce_sum(look_up(table, TOKENS, tf.float32) ** 2)
        return tf.convert_to_tensor(tf.gradients(total, table)[0])

    def program(target):
        with target():
            compiled = tf.function(gradient, jit_compile=True)
            ir = compiled.experimental_get_compiler_ir(tf.TensorSpec([7, 3], tf.float32))
            return ir(stage="stablehlo")

    assert "stablehlo.scatter" not in program(compiling_for_tpu)


def test_the_target_is_asked_for_and_forgotten():
    assert not is_for_tpu()
    with compiling_for_tpu():
        assert is_for_tpu()
    assert not is_for_tpu()


@pytest.mark.parametrize("make", [tf.constant, tf.Variable])
def test_rows_are_read_from_what_was_read(make):
    table = make(np.arange(14, dtype=np.float32).reshape(7, 2))
    program = tf.function(lambda: read_rows(table, tf.constant(TOKENS))).get_concrete_function()
    assert "ResourceGather" not in {op.type for op in program.graph.get_operations()}
    np.testing.assert_array_equal(program(), table.numpy()[TOKENS])
