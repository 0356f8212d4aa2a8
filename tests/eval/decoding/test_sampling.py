"""What is drawn: with which shares, how often, and the same in whatever batch."""

import numpy as np
import pytest
import tensorflow as tf
from transformers.generation.tf_logits_process import (
    TFTemperatureLogitsWarper,
    TFTopKLogitsWarper,
    TFTopPLogitsWarper,
)

from eval.decoding.greedy import GreedyModel
from eval.decoding.options import Limits, Sampling
from eval.decoding.sampling import DRAWS, SamplingModel, choose_shares, draw, draws_of
from prep import UsageError
from tests.eval.decoding.test_greedy import make_batch

LENGTH = 6


def their_shares(logits, sampling):
    logits = TFTemperatureLogitsWarper(sampling.temperature)(None, logits, 0)
    if sampling.top_k:
        logits = TFTopKLogitsWarper(sampling.top_k)(None, logits, 0)
    if sampling.top_p < 1:
        logits = TFTopPLogitsWarper(sampling.top_p)(None, logits, 0)
    return tf.nn.softmax(logits).numpy()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [0, 1, 7, 500])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
def test_shares_are_those_of_transformers(temperature, top_k, top_p):
    random = np.random.default_rng(0)
    logits = tf.constant(random.normal(0, 3, (20, 2, 300)), tf.float32)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    shares = choose_shares(logits, sampling).numpy()
    shares /= shares.sum(-1, keepdims=True)
    theirs = their_shares(tf.reshape(logits, [40, 300]), sampling)
    np.testing.assert_allclose(shares.reshape(40, 300), theirs, atol=1e-6)
    np.testing.assert_array_equal(shares.reshape(40, 300) > 0, theirs > 0)


def random_bits(*shape):
    bits = np.random.default_rng(0).integers(0, 1 << 32, shape, np.uint32)
    return tf.constant(bits.view(np.int32))


def test_as_many_are_drawn_as_shares_say():
    shares = np.zeros(700, np.float32)
    shares[[0, 255, 256, 600, 699]] = [1, 2, 3, 4, 10]
    many = 40_000
    rows = tf.tile(tf.constant(shares)[None, None], [many // 1000, 1000, 1])
    counts = np.bincount(draw(rows, random_bits(many // 1000, 1000)).numpy().ravel(), minlength=700)
    expected = shares / shares.sum() * many
    assert not counts[shares == 0].any()
    drawn = shares > 0
    # Chi-squared with 4 degrees of freedom: above 18.5 once in a thousand.
    assert ((counts - expected)[drawn] ** 2 / expected[drawn]).sum() < 18.5


def test_neighbours_and_bits_that_differ_a_little_are_independent():
    """A coin of two tokens, thrown with consecutive bits: as often the same as not."""
    bits = tf.constant(np.arange(20_000, dtype=np.int32)[None])
    for first in (0, 1, 31_000):
        rows = tf.ones([1, 20_000, 2])
        coins = draw(rows, bits + first).numpy()[0]
        assert abs(coins.mean() - 0.5) < 4 * 0.5 / 20_000**0.5
        assert abs((coins[1:] == coins[:-1]).mean() - 0.5) < 4 * 0.5 / 20_000**0.5


def test_draws_of_an_example_are_its_own():
    some = draws_of(3, "a", np.array([5, -1, 9]), 2, 4)
    alone = draws_of(3, "a", np.array([9]), 2, 4)
    np.testing.assert_array_equal(some[2], alone[0])
    assert not some[1].any()
    kinds = [some[0], some[2], draws_of(4, "a", np.array([5]), 2, 4)[0]]
    kinds.append(draws_of(3, "b", np.array([5]), 2, 4)[0])
    assert len({one.tobytes() for one in kinds}) == 4
    assert len(np.unique(some[[0, 2]])) == 16


def sample(model, batch, seed=0, examples=range(9), **settings):
    limits = settings.pop("limits", None)
    leave = settings.pop("examples_leave", False)
    sampling = Sampling(seed=seed, **settings)
    draws = draws_of(seed, "t", np.array(examples), sampling.samples, LENGTH)
    asked = SamplingModel(
        model, length=LENGTH, sampling=sampling, limits=limits, examples_leave=leave
    )
    return tf.function(asked, autograph=False)({**batch, DRAWS: tf.constant(draws)})


@pytest.mark.slow
def test_samples_are_scored_by_the_model_and_ranked(adapted_model):
    batch = make_batch(1, seed=4)
    found = sample(adapted_model, batch, samples=3)
    tokens, scores = found.tokens.numpy(), found.scores.numpy()
    assert tokens.shape == (9, 3, LENGTH) and len({one.tobytes() for one in tokens[0]}) == 3
    assert (np.diff(scores, axis=1) <= 0).all()
    shifted = np.pad(tokens[..., :-1], [(0, 0), (0, 0), (1, 0)])
    for number in range(3):
        logits = adapted_model({**batch, "decoder_input_tokens": tf.constant(shifted[:, number])})
        each = tf.gather(tf.nn.log_softmax(logits), tokens[:, number], batch_dims=2).numpy()
        is_in = np.cumsum(shifted[:, number] == 1, axis=1) == 0
        np.testing.assert_allclose(scores[:, number], (each * is_in).sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_samples_do_not_depend_on_the_batch(adapted_model):
    batch = make_batch(1, seed=4)
    whole = sample(adapted_model, batch, samples=2, temperature=1.5)
    again = sample(adapted_model, batch, samples=2, temperature=1.5, examples_leave=True)
    part = {key: value[3:5] for key, value in batch.items()}
    some = sample(adapted_model, part, samples=2, temperature=1.5, examples=[3, 4])
    np.testing.assert_array_equal(whole.tokens, again.tokens)
    np.testing.assert_allclose(whole.scores, again.scores, rtol=1e-5)
    np.testing.assert_array_equal(whole.tokens[3:5], some.tokens)
    other = sample(adapted_model, batch, seed=1, samples=2, temperature=1.5)
    assert (whole.tokens.numpy() != other.tokens.numpy()).any()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}])
def test_one_token_to_choose_from_is_greedy(adapted_model, settings):
    batch, limits = make_batch(2, seed=6), Limits(min_new_tokens=2, no_repeat_ngram_size=2)
    greedy = GreedyModel(adapted_model, length=LENGTH, limits=limits)(batch).numpy()
    found = sample(adapted_model, batch, limits=limits, **settings)
    np.testing.assert_array_equal(found.tokens[:, 0], greedy)
    assert (greedy[:, :2] != 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "--temperature is 0.0"),
        ({"temperature": 1e-40}, "--temperature is 1e-40; expected 0.000001 or more"),
        ({"temperature": float("nan")}, "--temperature is nan"),
        ({"top_k": -1}, "--top-k is -1"),
        ({"top_p": 0.0}, "--top-p is 0.0"),
        ({"top_p": 1.5}, "--top-p is 1.5"),
        ({"samples": 0}, "--n-best is 0"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        Sampling(**settings)
