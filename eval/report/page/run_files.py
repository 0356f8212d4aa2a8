"""What a report reads of a run: figures, predictions, the log of training, task embeddings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.files.embeddings_file import read_embeddings
from eval.report.current import describe_change
from eval.report.scored_files import Line, find_figures, read_figures, read_predictions
from prep import DataError

LOG_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class RunFiles:
    """A run as its files tell of it.

    Attributes:
        name: As a person typed it.
        document: Of `<split>.json`.
        predictions: Lines of `<split>.predictions.jsonl`, in their order, by task.
        log: Lines of `metrics.jsonl`; none where there is no such file.
        change: What became of the weights that the figures are of; empty where the run still
            answers with them, or nothing tells.
    """

    name: str
    document: Mapping[str, Any]
    predictions: Mapping[str, Sequence[Line]]
    log: Sequence[Line] = ()
    change: str = ""


def read_run_files(name: str, run: Path, folder: Path, split: str) -> RunFiles:
    """Read a run that was scored.

    Args:
        name: As a person typed it.
        run: The run folder on this machine, where the log lies.
        folder: Of the figures, `eval` in the run or a folder below it.
        split: That was scored.

    Returns:
        What the files hold.

    Raises:
        UsageError: It was not scored on that split.
        DataError: A file is none that an evaluation writes.
    """
    document = read_figures(find_figures(name, run, folder, split))
    predictions = read_predictions(folder / f"{split}.predictions.jsonl", document["tasks"])
    for task, told in document["tasks"].items():
        expected, found = told["examples"], len(predictions.get(task, ()))
        if found != expected:
            raise DataError(
                f"{name}: {split}.predictions.jsonl has {found} predictions of task {task!r}, and "
                f"the figures are of {expected}; score the run again"
            )
    change = describe_change(run, document)
    return RunFiles(name, document, predictions, read_log(run / LOG_FILE), change)


def read_log(file: Path) -> list[Line]:
    """Read the log of training.

    Args:
        file: `metrics.jsonl`.

    Returns:
        Its lines; what was cut short by a kill is left out, and a missing file is an empty log.
    """
    lines: list[Line] = []
    if file.exists():
        for text in file.read_bytes().splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                lines.append(line)
    return lines


def name_runs(runs: Sequence[str]) -> list[str]:
    """Name runs after their folders; by the whole path where that would not tell them apart."""
    named = [run.rstrip("/").rpartition("/")[2] for run in runs]
    return named if len(set(named)) == len(named) else list(runs)


def read_similarity(file: Path, tasks: Sequence[str]) -> tuple[list[str], list[list[float]]]:
    """Read how alike tasks are.

    Args:
        file: Of task embeddings, .npz.
        tasks: Of the report; others are left out.

    Returns:
        K names in the report's order, and the cosines of their embeddings [K][K].
    """
    names, vectors_KE = read_embeddings(file)
    known = [task for task in tasks if task in names]
    chosen_KE = vectors_KE[[names.index(task) for task in known]].astype(np.float64)
    lengths_K1 = np.linalg.norm(chosen_KE, axis=1, keepdims=True)
    units_KE = chosen_KE / np.where(lengths_K1 == 0, 1, lengths_K1)
    cosines: list[list[float]] = (units_KE @ units_KE.T).tolist()
    return known, cosines
