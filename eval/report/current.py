"""Whether figures are those of the weights that a run answers with now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_tf.runs.checkpoints import FoundCheckpoint, list_checkpoints, newest_whole
from adapters_tf.runs.config import CHECKPOINTS


def is_index(name: str) -> bool:
    """Tell which files of a run tell its checkpoints apart, by the name below the run folder."""
    return name.startswith(tuple(f"{one}/" for one in CHECKPOINTS.values())) and name.endswith(
        ".index"
    )


def describe_change(run: Path, document: Mapping[str, Any]) -> str:
    """Say what became of the weights that figures are of.

    Args:
        run: The run folder on this machine; of its checkpoints the indices are enough.
        document: Of `<split>.json`.

    Returns:
        Such as "its figures are of step 3, and its best checkpoint is of step 150 now"; empty where
        they are the same, or nothing tells, as without checkpoints.
    """
    digest, kind = document.get("checkpoint_digest"), document.get("checkpoint", "best")
    if not digest or kind not in CHECKPOINTS:
        return ""
    kinds = [kind] if kind == "last" else list(CHECKPOINTS)  # without a best one the last answers
    there = [(one, list_checkpoints(run / CHECKPOINTS[one])) for one in kinds]
    name, found = next((pair for pair in there if pair[1]), (kind, []))
    if not found:
        return ""
    (number, path), *others = found
    if FoundCheckpoint(path, number).digest() == digest:
        return ""
    if others:  # the newest may be damaged, and not the one that answers
        whole = newest_whole(run / CHECKPOINTS[name])
        if whole is not None and whole.digest() == digest:
            return ""
    old = document.get("step", "?")
    now = f"step {number}" if number != old else "other weights of that step"
    return f"its figures are of step {old}, and its {name} checkpoint is of {now} now"


def name_command(run: str, document: Mapping[str, Any]) -> str:
    """Name the command that scores a run as its figures were found, for a person to type."""
    last = " --checkpoint last" if document.get("checkpoint") == "last" else ""
    return f"python -m eval --run {run} --split {document['split']}{last}"
