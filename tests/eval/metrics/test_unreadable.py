"""Answers that are none of what was asked for are told by a mask, not by their value."""

import dataclasses

import numpy as np
import pytest

from eval.metrics.reading import are_readable, read_answers
from prep import TaskEntry


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


def test_minus_one_is_a_number_like_any_other(entry):
    texts = ["-1.0", "2.5", "two", "nan", "", " -1 "]
    assert read_answers(entry, texts) == [-1.0, 2.5, -1.0, -1.0, -1.0, -1.0]
    assert are_readable(entry, texts).tolist() == [True, True, False, False, False, True]


def test_labels_and_free_text(entry):
    labels = dataclasses.replace(entry, kind="classification", label_words=("yes", "no"))
    assert are_readable(labels, ["yes", "maybe", " no "]).tolist() == [True, False, True]
    free = dataclasses.replace(entry, kind="generation")
    np.testing.assert_array_equal(are_readable(free, ["", "-1"]), [True, True])
