"""Dropout masks drawn eight bits at a time."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.errors import ConfigurationError
from adapters_tf.runtime.dropout import StepDropoutGenerator, draw_dropout

SEED = np.array([3, 4], np.int32)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(64, 1024), (3, 333, 7), (100_001,)])
def test_units_are_dropped_at_the_rate_and_the_rest_scaled(rate, shape):
    outputs = draw_dropout(tf.ones(shape), rate, SEED).numpy()
    assert outputs.shape == shape
    share = np.mean(outputs == 0)
    # One of the two multiples of 2^-8 beside the rate, and four standard deviations of a share.
    assert abs(share - rate) < 4 * np.sqrt(rate * (1 - rate) / outputs.size) + 2**-8
    np.testing.assert_allclose(outputs[outputs != 0], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.0625, 0.9])
def test_the_rate_is_met_exactly_on_average(rate):
    draw = tf.function(lambda seed: draw_dropout(tf.ones([40_000]), rate, seed))
    shares = [np.mean(draw(tf.constant([7, step])) == 0) for step in range(400)]
    # A mask's own share deviates by its threshold (at most half of 2^-8) and by chance.
    deviation = np.sqrt(rate * (1 - rate) / 40_000 + 2**-18)
    assert abs(np.mean(shares) - rate) < 4 * deviation / np.sqrt(len(shares))


def test_the_units_of_a_word_are_independent():
    kept = draw_dropout(tf.ones([1000, 1000]), 0.5, SEED).numpy() != 0
    correlations = np.corrcoef(kept.reshape(1000, 4, 250).swapaxes(0, 1).reshape(4, -1))
    assert np.abs(correlations - np.eye(4)).max() < 4 / np.sqrt(250_000)


@pytest.mark.parametrize("rate", [-0.1, 0.999, 1.0])
def test_a_rate_that_cannot_be_drawn_is_refused(rate):
    with pytest.raises(ConfigurationError, match="from 0 to 255/256"):
        draw_dropout(tf.ones([4]), rate, SEED)


def test_gradients_pass_where_units_were_kept():
    inputs = tf.random.stateless_normal([20, 31], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = draw_dropout(inputs, 0.3, SEED)
    np.testing.assert_allclose(tape.gradient(outputs, inputs) * inputs, outputs, rtol=1e-6)


def test_unknown_shapes_and_xla_give_the_same_mask():
    inputs = tf.ones([5, 9])
    expected = draw_dropout(inputs, 0.4, SEED)
    unknown = tf.function(
        lambda x: draw_dropout(x, 0.4, SEED),
        input_signature=[tf.TensorSpec([None, None], tf.float32)],
    )
    np.testing.assert_array_equal(unknown(inputs), expected)
    compiled = tf.function(lambda x: draw_dropout(x, 0.4, SEED), jit_compile=True)
    np.testing.assert_allclose(compiled(inputs), expected, rtol=1e-6)


def test_half_precision_stays():
    assert draw_dropout(tf.ones([4, 4], tf.bfloat16), 0.1, SEED).dtype == tf.bfloat16


def test_a_shape_of_its_own_is_refused():
    generator = StepDropoutGenerator(0, tf.Variable(0, dtype=tf.int64))
    with pytest.raises(NotImplementedError, match="own shape"):
        generator.dropout(tf.ones([2, 2]), 0.1, noise_shape=(2, 1))
