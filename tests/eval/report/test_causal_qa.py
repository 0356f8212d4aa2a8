"""The causal-QA study's shape."""

import json

import pytest

from eval.evaluator import Prediction, TaskResult
from eval.metrics.answers import pair_answers
from eval.report.causal_qa import check_causal_qa, write_causal_qa
from eval.report.scored_task import ScoredTask
from prep import TaskEntry, UsageError


def entry(kind="generation", labels=()):
    return TaskEntry("why", kind, labels, (), ("squad_f1",), 4, 1, {})


def test_the_file_by_hand(tmp_path):
    answers = pair_answers(["the red car", "rain"], ["red bus", "Rain."])
    # Rows of the table are in another order than those of the source.
    predictions = [Prediction(0, 1, "rain", "Rain.", ()), Prediction(1, 0, "…", "red bus", ())]
    result = TaskResult("why", 2, {"squad_f1": 0.75}, predictions, 0, answers=answers)
    file = tmp_path / "new" / "why.json"
    write_causal_qa(file, ScoredTask(entry(), None, result, None), "best")
    document = json.loads(file.read_text())
    assert document == {
        "checkpoint": "best",
        "metrics": {
            "f1": pytest.approx((0.5 + 1) / 2),
            "em": 0.5,
            # Of "the red car" and "red bus" one word is shared, of two and of three.
            "rougeL_precision": pytest.approx((1 / 2 + 1) / 2),
            "rougeL_recall": pytest.approx((1 / 3 + 1) / 2),
            "rougeL_f1": pytest.approx((0.4 + 1) / 2),
        },
        "predictions": ["Rain.", "red bus"],
    }


def test_rouge_l_is_of_the_whole_text_and_not_by_sentence(tmp_path):
    answers = pair_answers(["a b . c d"], ["c d . a b"])
    given = [Prediction(0, 0, "a b . c d", "c d . a b", ())]
    result = TaskResult("why", 1, {"squad_f1": 1.0}, given, 0, answers=answers)
    write_causal_qa(tmp_path / "why.json", ScoredTask(entry(), None, result, None), "best")
    found = json.loads((tmp_path / "why.json").read_text())["metrics"]
    assert [found[f"rougeL_{part}"] for part in ("precision", "recall", "f1")] == [0.5] * 3


def test_what_has_no_place_in_it():
    check_causal_qa([entry()])
    with pytest.raises(UsageError, match="of one task; choose it with --tasks of why, why"):
        check_causal_qa([entry()] * 2)
    with pytest.raises(UsageError, match="the answers of why are labels; it takes texts"):
        check_causal_qa([entry("classification", ("yes", "no"))])
