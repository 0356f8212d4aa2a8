"""The two files that an evaluation leaves for programs, read back: figures and predictions."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_tf.runs.config import list_runs
from prep import DataError, UsageError

_FIELDS = ("task", "example", "input", "target", "prediction")
_FIGURES = ("kind", "examples", "metrics", "unreadable_predictions")
_AGAIN = "score the run again"

Line = Mapping[str, Any]


def find_figures(name: str, run: Path, folder: Path, split: str) -> Path:
    """Find the figures of a run that was scored.

    Args:
        name: Of the run, as a person typed it.
        run: Its folder on this machine.
        folder: Of the figures, `eval` in the run or a folder below it.
        split: That was scored.

    Returns:
        `<split>.json`.

    Raises:
        UsageError: There is no such run, or only some below it, or it was not scored on that split.
    """
    if not run.is_dir():
        raise UsageError(f"there is no run folder {name}")
    if within := list_runs(run):
        raise UsageError(f"{name} is a folder of runs: name some of {', '.join(within)}")
    file = folder / f"{split}.json"
    if not file.exists():
        raise UsageError(
            f"{name}: there is no {folder.name}/{split}.json; score the run first: python -m eval "
            f"--run {name} --split {split}"
        )
    return file


def read_figures(file: Path) -> dict[str, Any]:
    """Read `<split>.json`.

    Args:
        file: Of a run that was scored.

    Returns:
        What it holds.

    Raises:
        DataError: An evaluation writes no such file.
    """
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        _check_figures(document)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file}: expected figures of `python -m eval`: {error}; {_AGAIN}"
        ) from error
    return document


def _read_line(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _check_figures(document: Any) -> None:
    tasks = document.get("tasks") if isinstance(document, dict) else None
    if not isinstance(tasks, dict) or not tasks:
        raise ValueError("there are no 'tasks'")
    for task, figures in tasks.items():
        if not isinstance(figures, dict):
            raise ValueError(f"task {task!r} has no figures")
        missing = [name for name in _FIGURES if name not in figures]
        if missing or not isinstance(figures["metrics"], dict) or not figures["metrics"]:
            raise ValueError(f"task {task!r} has no {(*missing, 'metrics')[0]}")
        for name, value in figures["metrics"].items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise ValueError(f"{name} of task {task!r} is no number: {value!r}")


def read_predictions(file: Path, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Line]]:
    """Read `<split>.predictions.jsonl`.

    Args:
        file: Beside the figures.
        tasks: The figures by task; earlier versions kept no digest of the predictions in them.

    Returns:
        Its lines, in their order, by task.

    Raises:
        DataError: It is not there, a line is none that an evaluation writes, or they are not the
            predictions that the figures are of: an evaluation was killed between the two.
    """
    found: dict[str, list[Line]] = {}
    digests = {task: hashlib.sha256() for task in tasks}
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for number, text in enumerate(lines, 1):
                line = _read_line(text)
                if line is None:
                    what = text[:40].strip()
                    raise DataError(f"{file}, line {number}: expected a JSON object, got {what!r}")
                missing = [field for field in _FIELDS if field not in line]
                if missing:
                    raise DataError(f"{file}, line {number}: there is no field {missing[0]!r}")
                found.setdefault(str(line["task"]), []).append(line)
                if line["task"] in digests:
                    digests[line["task"]].update(text.encode())
    except FileNotFoundError as error:
        raise DataError(f"there is no {file}; {_AGAIN}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: expected a JSON object on each line: {error}") from error
    for task, digest in digests.items():
        expected = tasks[task].get("predictions_digest")
        if task in found and expected and digest.hexdigest() != expected:
            raise DataError(
                f"{file}: the figures of task {task!r} are of other predictions; {_AGAIN}"
            )
    return found
