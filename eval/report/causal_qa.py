"""One task's figures and predictions in the shape of the causal-QA study's files."""

import json
from collections.abc import Sequence
from pathlib import Path

from eval.metrics.registry import score
from eval.report.scored_task import ScoredTask
from prep import TaskEntry, UsageError
from prep.storage.durable_files import write_atomically
from prep.tasks.metrics import TEXTS, answer_form

_METRICS = {
    "f1": "squad_f1",
    "em": "squad_em",
    "rougeL_precision": "rouge_l_precision",
    "rougeL_recall": "rouge_l_recall",
    "rougeL_f1": "rouge_l",
}


def check_causal_qa(entries: Sequence[TaskEntry]) -> None:
    """Refuse what the shape has no place for, before anything is scored.

    Args:
        entries: The tasks to score.

    Raises:
        UsageError: There are several, or the one has no texts for answers.
    """
    names = ", ".join(entry.name for entry in entries)
    if len(entries) != 1:
        raise UsageError(f"--causal-qa is a file of one task; choose it with --tasks of {names}")
    (entry,) = entries
    form = answer_form(entry.kind, bool(entry.label_words))
    if form != TEXTS:
        raise UsageError(f"--causal-qa: the answers of {names} are {form}; it takes texts")


def write_causal_qa(file: Path, task: ScoredTask, checkpoint: str) -> None:
    """Write `checkpoint`, `metrics` and `predictions`.

    Args:
        file: Replaced; its folder is made if absent.
        task: With its answers.
        checkpoint: Which one answered.
    """
    assert task.result.answers is not None
    figures = score(list(_METRICS.values()), task.result.answers)
    document = {
        "checkpoint": checkpoint,
        "metrics": {name: figures[metric] for name, metric in _METRICS.items()},
        "predictions": [prediction.prediction for prediction in task.result.predictions],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(file, text.encode())
