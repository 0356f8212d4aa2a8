"""The answer that does best without looking at an input, and what it scores."""

import numpy as np
import pytest

from eval.report.baselines import trivial_answer, trivial_baseline
from prep import TaskEntry, TokenTable


class Letters:
    """A vocabulary of single letters, to write targets down in a test."""

    def decode(self, ids):
        return "".join(chr(number) for number in ids)

    def normalize(self, text):
        return text


def entry_of(kind, labels=(), metrics=("accuracy",)):
    return TaskEntry("t", kind, labels, (), metrics, 1, 1, {})


def table_of(*targets, labels=None, references=None):
    ids = [[ord(letter) for letter in target] for target in targets]
    count = len(targets)
    return TokenTable(
        inputs=np.zeros(0, np.uint16),
        input_offsets=np.zeros(count + 1, np.int64),
        targets=np.array([number for row in ids for number in row], np.uint16),
        target_offsets=np.cumsum([0, *map(len, ids)]),
        labels=np.array(labels if labels is not None else [-1] * count, np.int32),
        examples=np.arange(count),
        references=references,
    )


def test_of_labels_it_is_the_most_frequent_one():
    entry = entry_of("classification", ("no", "yes"), ("accuracy", "f1"))
    training = table_of(*"abcd", labels=[1, 0, 1, 1])
    assert trivial_answer(entry, training, Letters()) == "yes"
    evaluation = table_of(*"abc", labels=[1, 0, 0])
    figures = trivial_baseline(entry, training, evaluation, Letters())
    # One of three is right; of class 1, precision 1/3 and recall 1.
    assert figures == pytest.approx({"accuracy": 1 / 3, "f1": 0.5})


def test_its_probabilities_are_the_shares_of_the_training_split():
    entry = entry_of("classification", ("no", "yes"), ("accuracy", "log_loss"))
    training, evaluation = table_of(*"abcd", labels=[1, 0, 1, 1]), table_of(*"ab", labels=[1, 0])
    figures = trivial_baseline(entry, training, evaluation, Letters())
    expected = {"accuracy": 0.5, "log_loss": -np.log([3 / 4, 1 / 4]).mean()}
    assert figures == pytest.approx(expected)


def test_among_equals_it_is_the_first():
    entry = entry_of("classification", ("no", "yes"))
    assert trivial_answer(entry, table_of(*"ab", labels=[1, 0]), Letters()) == "yes"
    assert trivial_answer(entry, table_of(*"ab", labels=[0, 1]), Letters()) == "no"


def test_of_numbers_it_is_the_mean():
    entry = entry_of("regression", metrics=("pearson",))
    training = table_of("1.0", "2.0", "4.5")
    assert float(trivial_answer(entry, training, Letters())) == pytest.approx(2.5)
    assert trivial_baseline(entry, training, training, Letters()) == {"pearson": 0.0}


def test_of_texts_it_is_the_most_frequent_target():
    entry = entry_of("generation", metrics=("exact_match",))
    training = table_of("ab", "b", "ab")
    assert trivial_answer(entry, training, Letters()) == "ab"
    figures = trivial_baseline(entry, training, table_of("b", "ab"), Letters())
    assert figures == {"exact_match": 0.5}


def test_it_may_equal_any_of_several_right_answers():
    entry = entry_of("generation", metrics=("exact_match",))
    evaluation = table_of("x", "y", references=(("x", "ab"), ("y",)))
    figures = trivial_baseline(entry, table_of("ab", "ab"), evaluation, Letters())
    assert figures == {"exact_match": 0.5}


def test_nothing_can_be_learned_from_nothing():
    with pytest.raises(ValueError, match="'t': the training split is empty"):
        trivial_answer(entry_of("generation"), table_of(), Letters())
