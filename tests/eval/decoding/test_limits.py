"""Limits beside transformers' own logits processors, and a case by hand."""

import numpy as np
import pytest
import tensorflow as tf
from transformers.generation.tf_logits_process import TFNoRepeatNGramLogitsProcessor

from eval.decoding.limits import FORBIDDEN, forbid
from eval.decoding.options import Limits
from prep import UsageError

ENDS = (1, 6)


def forbidden(tokens_BKT, step, vocabulary=8, **limits):
    scores = tf.zeros([*np.shape(tokens_BKT)[:2], vocabulary])
    found = forbid(
        scores, tf.constant(tokens_BKT), tf.constant(step), Limits(**limits), tf.constant(ENDS), 0
    )
    assert set(np.unique(found)) <= {np.float32(FORBIDDEN), 0}
    return found.numpy() < 0


@pytest.mark.parametrize(("step", "is_early"), [(0, True), (2, True), (3, False)])
def test_no_end_comes_early(step, is_early):
    found = forbidden(np.full((2, 1, 5), 4), step, min_new_tokens=3)
    assert (found[..., [1, 6]] == is_early).all()
    assert not np.delete(found, [1, 6], axis=-1).any()


def test_a_bigram_comes_once():
    # start 0, then 3 4 3: 4 has followed 3. What follows the step is not looked at.
    found = forbidden([[[3, 4, 3, 7, 7]]], 3, no_repeat_ngram_size=2)
    assert np.flatnonzero(found[0, 0]).tolist() == [4]
    assert not forbidden([[[3, 4, 3, 7, 7]]], 1, no_repeat_ngram_size=2).any()


def test_the_start_is_part_of_the_text():
    assert np.flatnonzero(forbidden([[[5, 0, 0]]], 2, no_repeat_ngram_size=2)).tolist() == [5]
    assert np.flatnonzero(forbidden([[[5, 2, 0]]], 2, no_repeat_ngram_size=1)).tolist() == [0, 2, 5]


def test_longer_n_grams_than_texts_forbid_nothing():
    assert not forbidden([[[5, 5, 5]]], 2, no_repeat_ngram_size=5).any()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_n_grams_are_those_of_transformers(n):
    random = np.random.default_rng(n)
    tokens = random.integers(0, 4, (40, 3, 12)).astype(np.int32)
    for step in range(12):
        found = forbidden(tokens, step, vocabulary=5, no_repeat_ngram_size=n)
        text = np.concatenate([np.zeros((120, 1), int), tokens.reshape(120, 12)[:, :step]], 1)
        processor = TFNoRepeatNGramLogitsProcessor(n)
        theirs = processor(tf.constant(text), tf.zeros([120, 5]), step + 1).numpy()
        np.testing.assert_array_equal(found.reshape(120, 5), theirs < 0)


@pytest.mark.parametrize("name", ["min_new_tokens", "no_repeat_ngram_size"])
def test_negative_limits_are_refused(name):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is -1"):
        Limits(**{name: -1})
