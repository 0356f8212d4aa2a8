"""A validation as a table: each task's figures now, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prep.tasks.metrics import LESS_IS_BETTER

_LEAST_NAME = 12  # characters of a task's name that are always shown


def validation_table(
    figures: Mapping[str, float], earlier: Iterable[Mapping[str, Any]], step: int, columns: int
) -> list[str]:
    """Write a validation's figures down, a line for each metric of a task.

    Args:
        figures: By `<task>/<metric>`; others are left out.
        earlier: The run's earlier validations, with their `step`; null for what was no number.
        step: Of this one.
        columns: How wide it may be; longer names of tasks are cut.

    Returns:
        The lines: task, metric, now, best so far, and the step of that.
    """
    history = [*earlier, {**figures, "step": step}]
    rows = [("", "", "now", "best", "at step")]
    previous = ""
    for name, value in figures.items():
        task, slash, metric = name.rpartition("/")
        if not slash:
            continue
        best, at = _find_best(history, name)
        shown = "" if task == previous else task
        rows.append((shown, metric, _number(value), _number(best), f"{at:,}" if at else ""))
        previous = task
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    room = columns - sum(widths[1:]) - 4 * 2 - 2
    widths[0] = min(widths[0], max(room, _LEAST_NAME))
    return [_line(row, widths) for row in rows]


def _find_best(history: Sequence[Mapping[str, Any]], name: str) -> tuple[float, int]:
    """Find the best of a figure and its step: of equal ones the task's least loss, then the first.

    So a task's own best row is chosen, too.
    """
    task, _, metric = name.rpartition("/")
    sign = -1 if metric in ("loss", *LESS_IS_BETTER) else 1
    found = [
        (sign * line[name], -_finite(line.get(f"{task}/loss"), math.inf), -line["step"])
        for line in history
        if not math.isnan(_finite(line.get(name), math.nan))
    ]
    if not found:
        return math.nan, 0
    value, _, step = max(found)
    return sign * value, -step


def _finite(value: float | None, otherwise: float) -> float:
    return value if value is not None and math.isfinite(value) else otherwise


def _number(value: float) -> str:
    return f"{value:.3f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
    cells = [name.ljust(widths[0]), row[1].ljust(widths[1])]
    cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  " + "  ".join(cells).rstrip()
