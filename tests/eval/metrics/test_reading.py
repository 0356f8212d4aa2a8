from dataclasses import replace

import pytest

from eval.metrics.reading import read_answers, read_label, read_number, read_text
from prep import TaskEntry

ENTRY = TaskEntry(
    "task", "classification", ("True", "False"), ((5,), (6,)), ("accuracy",), 2, 1, {}
)


@pytest.mark.parametrize(
    ("text", "label"), [("True", 0), (" False ", 1), ("true", -1), ("", -1), ("True False", -1)]
)
def test_labels_are_whole_words_and_anything_else_is_minus_one(text, label):
    assert read_label(text, ENTRY.label_words) == label


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.8", 3.8), (" 2 ", 2.0), ("-0.5", -0.5), ("three", -1.0), ("", -1.0), ("3.8.1", -1.0)],
)
def test_numbers_and_what_is_none(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_not_finite_count_as_none(text):
    assert read_number(text) == -1.0


def test_the_kind_of_the_task_decides():
    texts = ["True", "4.2 "]
    assert read_answers(ENTRY, texts) == [0, -1]
    assert read_answers(replace(ENTRY, kind="regression", label_words=()), texts) == [-1.0, 4.2]
    assert read_answers(replace(ENTRY, kind="generation", label_words=()), texts) == ["True", "4.2"]


def test_texts_are_normalized_as_sentencepiece_does():
    assert read_text(" ﬁne \n  day ") == "fine day"
