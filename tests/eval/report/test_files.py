"""The two files of an evaluation."""

import dataclasses
import json

import numpy as np
import pytest

from eval.evaluator import Prediction, TaskResult
from eval.metrics.answers import pair_answers
from eval.metrics.registry import score
from eval.report.files import write_report
from eval.report.scored_task import ScoredTask
from prep import SplitEntry, TaskEntry, TokenTable
from prep.dataset.digests import task_digest


class Words:
    """A vocabulary of three words."""

    def decode(self, ids):
        return " ".join(("", "EOS", "red", "größer")[number] for number in ids if number > 1)

    decode_texts = decode


def scored(name, metrics, references=(), truncated=0):
    splits = {"test": SplitEntry(2, (), truncated, truncated, 2, 2, (), 0, {})}
    entry = TaskEntry(name, "generation", (), (), tuple(metrics), 2, 2, splits)
    table = TokenTable(
        inputs=np.array([2, 1, 3, 1], np.uint16),
        input_offsets=np.array([0, 2, 4]),
        targets=np.zeros(0, np.uint16),
        target_offsets=np.zeros(3, np.int64),
        labels=np.full(2, -1, np.int32),
        examples=np.array([5, 4]),
    )
    predictions = [  # in the order of the source, which is not that of the table
        Prediction(4, 1, "größer", "red", (2, 1)),
        Prediction(5, 0, "red", "red", (2, 1), references),
    ]
    return ScoredTask(entry, table, TaskResult(name, 2, metrics, predictions, 0), {"bleu": 0.0})


def test_every_example_has_a_line(tmp_path):
    tasks = [scored("a", {"bleu": 0.5}, references=("red", "rot"))]
    figures, predictions = write_report(tmp_path / "eval", "test", tasks, Words(), {})
    assert (figures.name, predictions.name) == ("test.json", "test.predictions.jsonl")
    text = predictions.read_text(encoding="utf-8")
    assert text.startswith('{"task": "a", "example": 4, "input": "größer"') and text.endswith("\n")
    first, second = map(json.loads, text.splitlines())
    assert first == {
        "task": "a",
        "example": 4,
        "input": "größer",
        "target": "größer",
        "prediction": "red",
        "token_ids": [2, 1],
    }
    assert second["references"] == ["red", "rot"] and second["input"] == "red"


def test_metrics_that_such_answers_lack_make_no_other_examples(tmp_path):
    task = scored("a", {"bleu": 0.5})
    whole = dataclasses.replace(task.entry, metrics=("bleu", "log_loss"))
    figures, _ = write_report(
        tmp_path, "test", [dataclasses.replace(task, whole=whole)], Words(), {}
    )
    found = json.loads(figures.read_text())["tasks"]["a"]["examples_digest"]
    assert found == task_digest(whole, ["test"]) != task_digest(task.entry, ["test"])


def test_figures_say_where_they_come_from(tmp_path):
    tasks = [scored("a", {"bleu": 0.5, "rouge_l": 0.25}, truncated=1), scored("b", {"bleu": 1.0})]
    figures, _ = write_report(tmp_path, "test", tasks, Words(), {"step": 7, "run": "runs/x"})
    document = json.loads(figures.read_text())
    expected = ["split", "step", "run", "versions", "resampling", "mean", "tasks"]
    assert list(document) == expected
    assert (document["split"], document["step"], document["mean"]) == ("test", 7, 0.75)
    figures = document["tasks"]["a"]
    digests = [figures.pop("examples_digest"), figures.pop("predictions_digest")]
    assert len(set(digests)) == 2 and all(len(digest) == 64 for digest in digests)
    assert figures == {
        "kind": "generation",
        "examples": 2,
        "answered_by": "decoded",
        "intervals": {},
        "metrics": {"bleu": 0.5, "rouge_l": 0.25},
        "trivial_baseline": {"bleu": 0.0},
        "unreadable_predictions": 0,
        "truncated_targets": 1,
        "decoding_length": 2,
    }


def test_figures_have_intervals_and_say_how_they_were_computed(tmp_path):
    targets, given = ["the cat sat on the mat", "a dog"], ["the cat sat on a rug", "a dog"]
    answers = pair_answers(targets, given, groups=np.array([4, 9]))
    tasks = [scored("a", score(["bleu", "squad_em"], answers))]
    tasks = [
        dataclasses.replace(task, result=dataclasses.replace(task.result, answers=answers))
        for task in tasks
    ]
    figures, _ = write_report(tmp_path, "test", tasks, Words(), {})
    document = json.loads(figures.read_text())
    assert document["resampling"] == {"resamples": 1000, "seed": 0, "confidence": 0.95}
    assert list(document["intervals"]) == ["mean"]  # over tasks: one, so its main figure's
    told = document["tasks"]["a"]
    assert document["intervals"]["mean"] == told["intervals"]["bleu"]
    assert told["intervals"]["squad_em"]["low"] == 0.0 and told["resampled"] == "groups"
    about = dataclasses.replace(answers, documents=np.array([3, 3]))
    result = dataclasses.replace(tasks[0].result, answers=about)
    task = dataclasses.replace(tasks[0], result=result)
    figures, _ = write_report(tmp_path, "test", [task], Words(), {})
    assert json.loads(figures.read_text())["tasks"]["a"]["resampled"] == "documents"
    assert told["signatures"]["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|")
    assert "unjudged" not in told


def test_an_earlier_evaluation_is_replaced_and_nothing_else(tmp_path):
    write_report(tmp_path, "test", [scored("a", {"bleu": 0.5})], Words(), {})
    (tmp_path / "validation.json").write_text("{}")
    write_report(tmp_path, "test", [scored("b", {"bleu": 1.0})], Words(), {})
    assert list(json.loads((tmp_path / "test.json").read_text())["tasks"]) == ["b"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"test.json", "test.predictions.jsonl", "validation.json"}


def test_a_figure_that_is_no_number_is_not_written(tmp_path):
    """JSON has no NaN; a file with one could not be read elsewhere."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path, "test", [scored("a", {"bleu": float("nan")})], Words(), {})
    assert not (tmp_path / "test.json").exists()
