"""Figures and the predictions they are of, read back."""

import json

import pytest

from eval.report.earlier import digest_lines
from eval.report.scored_files import read_predictions
from prep import DataError

LINE = json.dumps({"task": "a", "example": 0, "input": "é", "target": "x", "prediction": "x"})


def test_predictions_of_another_evaluation_are_told(tmp_path):
    file = tmp_path / "test.predictions.jsonl"
    file.write_text(LINE + "\n", encoding="utf-8")
    figures = {"a": {"predictions_digest": digest_lines([LINE + "\n"])}, "b": {}}
    assert read_predictions(file, figures) == {"a": [json.loads(LINE)]}
    file.write_text(LINE.replace('"x"', '"y"') + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="figures of task 'a' are of other predictions; score"):
        read_predictions(file, figures)
    assert read_predictions(file, {"a": {}})["a"][0]["target"] == "y"  # no digest: an older file
    with pytest.raises(DataError, match=r"there is no .*; score the run again"):
        read_predictions(tmp_path / "gone", figures)
