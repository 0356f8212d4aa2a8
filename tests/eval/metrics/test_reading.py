from dataclasses import replace

import numpy as np
import pytest

from eval.metrics.answers import gather_answers
from eval.metrics.reading import read_answers, read_labels, read_number, read_text
from prep import TaskEntry, TokenTable, Vocabulary

ENTRY = TaskEntry(
    "task", "classification", ("True", "False"), ((5,), (6,)), ("accuracy",), 2, 1, {}
)


@pytest.fixture(scope="module")
def vocabulary(vocabulary_file):
    return Vocabulary(vocabulary_file, 0)


@pytest.mark.parametrize(
    ("text", "label"), [("True", 0), (" False ", 1), ("true", -1), ("", -1), ("True False", -1)]
)
def test_labels_are_whole_words_and_anything_else_is_minus_one(text, label, vocabulary):
    assert read_labels([text], ENTRY.label_words, vocabulary) == [label]


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.8", 3.8), (" 2 ", 2.0), ("-0.5", -0.5), ("three", -1.0), ("", -1.0), ("3.8.1", -1.0)],
)
def test_numbers_and_what_is_none(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_not_finite_count_as_none(text):
    assert read_number(text) == -1.0


def test_the_kind_of_the_task_decides(vocabulary):
    texts = ["True", "4.2 "]
    regression, free = (
        replace(ENTRY, kind=kind, label_words=()) for kind in ("regression", "generation")
    )
    assert read_answers(ENTRY, texts, vocabulary) == [0, -1]
    assert read_answers(regression, texts, vocabulary) == [-1.0, 4.2]
    assert read_answers(free, texts, vocabulary) == ["True", "4.2"]


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        (" ﬁne \n  day ", "fine day"),
        ("می\N{ZERO WIDTH NON-JOINER}خواهم", "می خواهم"),  # NFKC alone would keep it
        ("soft\N{SOFT HYPHEN}ware \N{ZERO WIDTH SPACE}", "soft\N{SOFT HYPHEN}ware"),
        ("Ⅳ ½", "IV 1⁄2"),
    ],
)
def test_texts_are_compared_as_their_vocabulary_sees_them(text, normalized, vocabulary):
    assert read_text(text, vocabulary) == normalized
    assert read_text(normalized, vocabulary) == normalized


def test_a_label_word_that_the_vocabulary_changes_can_be_answered(vocabulary):
    assert read_labels(["1⁄2", "½", "2"], ("1", "½"), vocabulary) == [1, 1, -1]


def test_every_right_answer_is_read_as_the_given_one_is(vocabulary):
    ids, offsets = np.zeros(0, np.uint32), np.zeros(2, int)
    table = TokenTable(
        ids, offsets, ids, offsets, np.full(1, -1), np.arange(1), references=[("ｏｎｅ", "ｔｗｏ")]
    )
    entry = replace(ENTRY, kind="generation", label_words=())
    answers = gather_answers(entry, table, ["ｏｎｅ"], ["ｔwo"], vocabulary)
    assert (answers.targets, answers.predictions) == (["one"], ["two"])
    assert list(answers.references) == [("one", "two")]
