"""How the runs of a sweep did: mean and standard deviation over seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters_tf.runs.checkpoints import BEST_FILE
from trainer.run.best_rows import score_tasks
from trainer.run.metrics_log import METRICS_FILE
from trainer.sweep.combinations import Member


def best_figures(folder: Path) -> dict[str, float]:
    """Read the figures of a run's best checkpoint.

    Args:
        folder: Of a run that is done.

    Returns:
        The main metric of each task, and `mean` over them; where tasks keep their own best rows,
        each is of its own step. Nothing where the run validated nothing.
    """
    try:
        best = json.loads((folder / BEST_FILE).read_text(encoding="utf-8"))
        lines = (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()
        validations = [one for one in map(json.loads, lines) if one.get("kind") == "validation"]
        if "tasks" in best:
            found = {task: float(one["value"]) for task, one in best["tasks"].items()}
            return {**found, "mean": statistics.fmean(found.values())}
        at_best = next(one for one in validations if one["step"] == best["step"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return {}
    numbers = {name: one for name, one in at_best.items() if isinstance(one, float | int)}
    found = {task: score.value for task, score in score_tasks(numbers, "mean").items()}
    return {**found, "mean": float(numbers["mean"])} if "mean" in numbers else found


def summarize(
    members: Sequence[Member], figures: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Average over the seeds of each combination.

    Args:
        members: The runs.
        figures: By run, from `best_figures`; runs that failed have none.

    Returns:
        By combination, by task: `mean`, `runs`, and where they are several `sd`, of a sample.
    """
    groups: dict[str, dict[str, list[float]]] = {}
    for member in members:
        group = groups.setdefault(member.group(), {})
        for task, value in figures.get(member.name, {}).items():
            if math.isfinite(value):
                group.setdefault(task, []).append(value)
    return {
        name: {
            task: {
                "mean": statistics.fmean(values),
                **({"sd": statistics.stdev(values)} if len(values) > 1 else {}),
                "runs": len(values),
            }
            for task, values in group.items()
        }
        for name, group in groups.items()
    }


def format_table(summary: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Lay a summary out: a block for each combination, a line for each task.

    Args:
        summary: From `summarize`.

    Returns:
        Lines.
    """
    tasks = {task for group in summary.values() for task in group}
    width = max(map(len, tasks), default=4)
    lines = ["each task's first metric at the best step, mean ± standard deviation over seeds:"]
    for name, group in summary.items():
        lines.append(name)
        if not group:
            lines.append("  no figures: no run is done, or none validates")
        for task, one in group.items():
            spread = f"± {one['sd']:.4f}" if "sd" in one else " " * 8  # of one run there is none
            runs = f"{one['runs']} run{'s' * (one['runs'] != 1)}"
            lines.append(f"  {task.ljust(width)}  {one['mean']:.4f} {spread}  {runs}")
    return lines
