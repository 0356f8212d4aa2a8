"""Questions without an answer are scored, apart too, as SQuAD 2.0's own script does."""

import dataclasses

import pytest

from eval.metrics.answers import pair_answers
from eval.metrics.registry import score

REFERENCES = [("the cat",), ("unanswerable",), ("a dog", "dog"), ("unanswerable",), ("a mat",)]
GIVEN = ["cat", "Unanswerable.", "big dog", "an unanswerable question", "unanswerable"]


def scored(references, given, names=("squad_f1", "squad_em", "bleu"), no_answer="unanswerable"):
    targets = [right[0] for right in references]
    answers = pair_answers(targets, given, references=references)
    return score(names, dataclasses.replace(answers, no_answer=no_answer))


def test_the_figures_are_those_of_the_official_script():
    figures = scored(REFERENCES, GIVEN)
    # By hand from `evaluate-v2.0.py`: 1, 1, 2/3, 0 (of no answer only the empty text is right), 0.
    assert figures["squad_f1"] == pytest.approx((1 + 1 + 2 / 3) / 5)
    assert figures["squad_em"] == pytest.approx(2 / 5)
    assert figures["squad_f1_has_answer"] == pytest.approx((1 + 2 / 3) / 3)
    assert figures["squad_f1_no_answer"] == pytest.approx(1 / 2)
    assert figures["squad_em_has_answer"] == pytest.approx(1 / 3)
    assert figures["squad_em_no_answer"] == pytest.approx(1 / 2)
    assert list(figures)[:3] == ["squad_f1", "squad_em", "bleu"]
    assert not [name for name in figures if name.startswith("bleu_")]


def test_a_part_without_examples_has_no_figure():
    assert "squad_em_no_answer" not in scored(REFERENCES[:1], GIVEN[:1])
    assert "squad_em_has_answer" not in scored(REFERENCES[1:2], GIVEN[1:2])


def test_a_task_of_which_all_have_an_answer_is_scored_as_ever():
    assert list(scored(REFERENCES, GIVEN, no_answer="")) == ["squad_f1", "squad_em", "bleu"]
