"""Texts and token ids inside a program, against the vocabulary in Python."""

import random

import numpy as np
import pytest
import tensorflow as tf

from eval.serving.texts import UNSEEN, UNSEEN_RANGES, TextVocabulary
from prep import Vocabulary
from prep.sources.row import is_blank

ODD = [
    *("", "   ", "red", " yes  no\n", "мир", "no 😀 red", "\x00", "red\x00blue\x01", "x" * 3000),
    *("red</s>blue", "red </s> blue", "</s>", "</s></s>", "red<extra_id_0>. blue <extra_id_1>"),
    *("<extra_id_0><extra_id_1>", "<extra_id_9>z<extra_id_10>", "<extra_id_01>", "<extra_id_1"),
    *("red\u3000<extra_id_3>\u2003blue", "red<extra_id_0>\n\nblue", "red\x1c<extra_id_3>\x1fno"),
]
ATOMS = [" ", "\n", "\u00a0", "</s>", "<extra_id_0>", "<extra_id_7>", "<extra_id_10>", "red", "0"]


@pytest.fixture(scope="module", params=[(10, True), (10, False), (0, True)], ids=str)
def both(request, vocabulary_file):
    extra_ids, blank_after_sentinels = request.param
    vocabulary = Vocabulary(vocabulary_file, extra_ids, blank_after_sentinels)
    return vocabulary, TextVocabulary(vocabulary)


def test_texts_have_the_ids_that_they_have_in_python(both):
    vocabulary, inside = both
    chance = random.Random(0)
    mixed = ["".join(chance.choices(ATOMS, k=chance.randrange(9))) for _ in range(200)]
    texts = [*ODD, *mixed]
    encode = tf.function(inside.encode, input_signature=[tf.TensorSpec([None], tf.string)])
    for text, ids in zip(texts, encode(tf.constant(texts)).to_list(), strict=True):
        assert ids == vocabulary.encode(text), text


def test_answers_have_the_texts_that_they_have_in_python(both):
    vocabulary, inside = both
    generator = np.random.default_rng(0)
    ids = generator.integers(0, vocabulary.size + 3, (300, 8)).astype(np.int32)
    ids[:2] = [[0] * 8, [1] * 8]
    decode = tf.function(inside.decode, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    texts = [text.decode() for text in decode(ids).numpy()]
    assert texts == [vocabulary.decode(row) for row in ids]
    assert len(set(texts)) > 100


def test_nothing_to_see_is_what_prep_takes_for_it():
    edges = {one + off for ends in UNSEEN_RANGES for one in ends for off in (-1, 0, 1)}
    letters = [chr(one) for one in sorted(edges) if one >= 0]
    found = tf.strings.regex_full_match(letters, f"[{UNSEEN}]*").numpy()
    assert found.tolist() == [is_blank(one) for one in letters] and not found.all()
    assert all(map(is_blank, ("", "\u200b \ufeff\x07"))) and not is_blank("\u200bx")
