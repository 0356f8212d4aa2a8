"""Tasks that a run has learned nothing of, since none of their steps could be taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def warn_of_untaken(lines: Iterable[Mapping[str, Any]], tasks: Sequence[str]) -> list[str]:
    """Say of tasks whose steps were all skipped that their adapters are as they began.

    Args:
        lines: Of training, in metrics.jsonl.
        tasks: Of the run.

    Returns:
        A line for each such task.
    """
    taken, skipped = set(), set()
    for line in lines:
        taken |= {task for task in tasks if line.get(f"{task}/loss") is not None}
        skipped |= {task for task in tasks if line.get(f"{task}/skipped_steps")}
    return [
        f"note: {task}: every step of it was skipped, so that it has learned nothing of its own"
        for task in tasks
        if task in skipped - taken
    ]
