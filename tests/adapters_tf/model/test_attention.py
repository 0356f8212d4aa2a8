"""The layers' arithmetic beside the plain formulas, gradients too."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.model.attention import attend, attend_without_scores, relu

B, Q, S, N, H = 2, 5, 7, 3, 4


def plain(query, key, value, bias, scale):
    weights = tf.nn.softmax(tf.einsum("bqnh,bsnh->bnqs", query, key) + bias)
    if scale is not None:
        weights *= scale
    return tf.einsum("bnqs,bsnh->bqnh", weights, value)


def results(function, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(*inputs)
        slope = np.random.default_rng(9).normal(size=outputs.shape).astype(np.float32)
        loss = tf.reduce_sum(outputs * slope)
    return [outputs, *tape.gradient(loss, inputs)]


@pytest.mark.parametrize("mask_shape", [None, (B, N, 1, S), (B, N, Q, S)])
@pytest.mark.parametrize(
    "bias_shape", [(1, N, Q, S), (B, N, Q, S), (B, 1, 1, S), (1, 1, 1, 1), (B, 1, Q, S)]
)
def test_attention_is_softmax_times_values(bias_shape, mask_shape):
    shapes = [(B, Q, N, H), (B, S, N, H), (B, S, N, H), bias_shape]
    inputs = [tf.random.stateless_normal(shape, [i, 3]) for i, shape in enumerate(shapes)]
    mask = None
    if mask_shape:
        mask = tf.cast(tf.random.stateless_uniform(mask_shape, [4, 3]) > 0.3, tf.float32)
    scale = None if mask is None else mask / 0.7
    expected = results(lambda *x: plain(*x, scale), inputs)
    got = results(lambda *x: attend(*x, mask, 1.0 if mask is None else 0.7), inputs)
    for value, right in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias_shape", [(1, N, Q, S), (B, 1, 1, S)])
def test_attention_whose_scores_are_computed_twice_is_the_same(bias_shape):
    shapes = [(B, Q, N, H), (B, S, N, H), (B, S, N, H), bias_shape]
    inputs = [tf.random.stateless_normal(shape, [i, 3]) for i, shape in enumerate(shapes)]
    compiled = tf.function(
        lambda *x: results(attend_without_scores, x), jit_compile=True, autograph=False
    )
    expected = results(lambda *x: plain(*x, None), inputs)
    for value, right in zip(compiled(*inputs), expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-4, atol=1e-5)


def test_in_bfloat16_a_row_of_padding_is_finite_and_others_are_right():
    shapes = [(B, Q, N, H), (B, S, N, H), (B, S, N, H)]
    query, key, value = (5 * tf.random.stateless_normal(s, [i, 3]) for i, s in enumerate(shapes))
    mask = np.zeros((B, 1, 1, S), np.float32)
    mask[0], mask[1, ..., 4:] = -1e9, -1e9
    bias = tf.random.stateless_normal([1, N, Q, S], [9, 3]) + mask
    rounded = [tf.cast(part, tf.bfloat16) for part in (query, key, value, bias)]
    got = tf.function(attend_without_scores, jit_compile=True, autograph=False)(*rounded)
    assert np.isfinite(tf.cast(got, tf.float32)).all()
    expected = plain(*(tf.cast(part, tf.float32) for part in rounded), None)
    np.testing.assert_allclose(tf.cast(got[1], tf.float32), expected[1], atol=0.1)


def test_masked_keys_get_nothing_and_large_scores_do_not_overflow():
    query = tf.fill([1, 2, 1, 4], 30.0)
    key = tf.concat([tf.fill([1, 3, 1, 4], 30.0), tf.fill([1, 1, 1, 4], 90.0)], 1)
    value = tf.reshape(tf.range(16.0), [1, 4, 1, 4])
    bias = tf.constant([0.0, 0.0, 0.0, -1e9])[None, None, None]
    outputs = attend(query, key, value, bias)
    np.testing.assert_allclose(outputs[0, 0, 0], value[0, :3, 0].numpy().mean(0), rtol=1e-6)


def test_lengths_that_are_not_known_while_tracing():
    shapes = [(1, Q, N, H), (1, S, N, H), (1, S, N, H), (1, N, Q, S)]
    unknown = [(None, None, N, H)] * 3 + [(1, N, None, None)]
    inputs = [tf.random.stateless_normal(shape, [i, 3]) for i, shape in enumerate(shapes)]

    def gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(attend(*inputs) ** 2)
        return tape.gradient(total, inputs)

    signature = [tf.TensorSpec(shape, tf.float32) for shape in unknown]
    traced = tf.function(gradients, input_signature=signature, autograph=False)
    for got, right in zip(traced(*inputs), gradients(*inputs), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mask_shape", [None, (B, 1, 6), (B, Q, 6)])
def test_relu_keeps_what_is_above_zero(mask_shape):
    inputs = [tf.random.stateless_normal((B, Q, 6), [0, 3])]
    mask, keep = None, 1.0
    if mask_shape:
        mask = tf.cast(tf.random.stateless_uniform(mask_shape, [4, 3]) > 0.3, tf.float32)
        keep = 0.7
    factor = 1.0 if mask is None else mask / keep
    expected = results(lambda x: tf.nn.relu(x) * factor, inputs)
    for value, right in zip(results(lambda x: relu(x, mask, keep), inputs), expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-6)
