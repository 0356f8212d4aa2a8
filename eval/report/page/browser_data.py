"""What the predictions browser of a report holds: by column, which is small and quickly read."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.report.page.examples import cut
from eval.report.page.report_data import Report, TaskReport

MOST_CHARACTERS = 20_000_000  # of all inputs together
_LIMITS = (4000, 2000, 1000, 500, 250, 120)  # of an input
_LIKELIEST = 5  # label words whose probability is shown
_PLACES = 4


def gather_rows(report: Report) -> dict[str, Any]:
    """Gather all predictions of a report.

    Args:
        report: Of which they are.

    Returns:
        `tasks` and `runs`, names; `limit`, characters that inputs are cut to, or 0; and by column,
        a value per example: `task`, `example`, `input`, `target`, `others` (further right answers)
        and of each run, in `answers`, `prediction`, `right`, `confidence` and `shares`.
    """
    limit = choose_limit([line["input"] for task in report.tasks for line in _lines(task)])
    lines = [(number, line) for number, task in enumerate(report.tasks) for line in _lines(task)]
    return {
        "tasks": [task.name for task in report.tasks],
        "runs": list(report.names),
        "limit": limit,
        "task": [number for number, _ in lines],
        "example": [line["example"] for _, line in lines],
        "input": [cut(line["input"], limit) if limit else line["input"] for _, line in lines],
        "target": [line["target"] for _, line in lines],
        "others": [list(line.get("references", ()))[1:] for _, line in lines],
        "answers": [_answers(report, number) for number in range(len(report.runs))],
    }


def choose_limit(inputs: Sequence[str], most: int = MOST_CHARACTERS) -> int:
    """Choose how many characters of an input are kept.

    Args:
        inputs: Of all examples.
        most: Characters to keep of all together.

    Returns:
        0 where all are kept as they are; else the largest limit that keeps them within `most`, or
        the smallest there is.
    """
    lengths = np.array([len(text) for text in inputs])
    if int(lengths.sum()) <= most:
        return 0
    fitting = (limit for limit in _LIMITS if int(np.minimum(lengths, limit).sum()) <= most)
    return next(fitting, _LIMITS[-1])


def to_json(value: Any) -> str:
    """Write JSON that can stand in a `<script>`: no `<` in it can end that or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _lines(task: TaskReport) -> Sequence[Any]:
    return task.runs[0].judged.lines


def _answers(report: Report, run: int) -> dict[str, list[Any]]:
    judged = [task.runs[run].judged for task in report.tasks]
    lines = [line for one in judged for line in one.lines]
    return {
        "prediction": [line["prediction"] for line in lines],
        "right": [int(right) for one in judged for right in one.is_right],
        "confidence": [
            None if math.isnan(sure) else round(sure, _PLACES)
            for one in judged
            for sure in one.confidences.tolist()
        ],
        "shares": [_likeliest(line.get("probabilities", {})) for line in lines],
    }


def _likeliest(shares: dict[str, float]) -> list[Any]:
    """List the likeliest words, each before its probability."""
    first = sorted(shares.items(), key=lambda one: -one[1])[:_LIKELIEST]
    return [part for word, share in first for part in (word, round(share, _PLACES))]
