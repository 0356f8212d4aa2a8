"""Answers that are none of what was asked for are told by a mask, not by their value."""

import dataclasses

import numpy as np
import pytest

from eval.metrics.answers import pair_answers
from eval.metrics.reading import are_readable, read_answers
from eval.metrics.registry import score
from prep import TaskEntry, Vocabulary


@pytest.fixture(scope="module")
def vocabulary(vocabulary_file):
    return Vocabulary(vocabulary_file, 0)


@pytest.fixture
def entry():
    return TaskEntry(
        name="grade",
        kind="regression",
        label_words=(),
        label_token_ids=(),
        metrics=("pearson",),
        decoding_length=4,
        mixture_size=1,
        splits={},
        sources=(),
        notes=(),
        definition="",
        truncation="head",
    )


def test_minus_one_is_a_number_like_any_other(entry, vocabulary):
    texts = ["-1.0", "2.5", "two", "nan", "", " -1 "]
    assert read_answers(entry, texts, vocabulary) == [-1.0, 2.5, -1.0, -1.0, -1.0, -1.0]
    readable = are_readable(entry, texts, vocabulary).tolist()
    assert readable == [True, True, False, False, False, True]


def test_labels_and_free_text(entry, vocabulary):
    labels = dataclasses.replace(entry, kind="classification", label_words=("yes", "no"))
    readable = are_readable(labels, ["yes", "maybe", " no "], vocabulary)
    assert readable.tolist() == [True, False, True]
    free = dataclasses.replace(entry, kind="generation")
    np.testing.assert_array_equal(are_readable(free, ["", "-1"], vocabulary), [True, True])


def test_rubbish_is_not_minus_one():
    answers = pair_answers([-1.0, -1.0], [-1.0, -1.0])
    answers = dataclasses.replace(answers, is_readable=np.array([True, False]))
    assert score(["accuracy"], answers) == {"accuracy": 0.5}
