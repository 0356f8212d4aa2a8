"""The checkpoints of a run folder, found by looking at the files and never by what an index says.

TensorFlow's file `checkpoint` names the newest one; after a crash, a full disk or a copy it may be
absent, cut or wrong. What counts is whether all tensors of a checkpoint can be read back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters_tf.runs.config import CHECKPOINTS

BEST_FILE = "best.json"  # what says why the best checkpoint is the best
_STEP = "step/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint that is whole.

    Attributes:
        path: As TensorFlow names it: without a suffix.
        step: The steps behind it.
    """

    path: str
    step: int

    def digest(self) -> str:
        """Compute the SHA-256 of its index, which has a checksum of each tensor."""
        return hashlib.sha256(Path(f"{self.path}.index").read_bytes()).hexdigest()


def list_checkpoints(folder: Path) -> list[tuple[int, str]]:
    """List what may be checkpoints, the newest first, without reading them.

    Args:
        folder: `best` or `checkpoints` of a run.

    Returns:
        Their numbers and paths.
    """
    found = []
    for file in folder.glob("*-*.index"):
        number = re.fullmatch(r".*-(\d+)", file.stem)
        if number is not None:
            found.append((int(number[1]), str(file.with_suffix(""))))
    return sorted(found, reverse=True)


def whole_checkpoints(
    folder: Path, say: Callable[[str], None] = lambda line: None
) -> Iterator[FoundCheckpoint]:
    """Read the checkpoints of a folder, the newest first.

    Args:
        folder: `best` or `checkpoints` of a run.
        say: Called with a line for each that is damaged.

    Yields:
        Those that are whole.
    """
    import tensorflow as tf  # seconds, which who lists or compares checkpoints does without

    # What TensorFlow raises, and NumPy, where the bytes of a checkpoint are not what was written.
    unreadable = (tf.errors.OpError, IndexError, ValueError, RuntimeError)
    for number, path in list_checkpoints(folder):
        try:
            reader = tf.train.load_checkpoint(path)
            tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        except unreadable as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            say(f"checkpoint {path} is damaged and not taken: {reason}")
            continue
        yield FoundCheckpoint(path, int(tensors.get(_STEP, number)))


def newest_whole(
    folder: Path, say: Callable[[str], None] = lambda line: None
) -> FoundCheckpoint | None:
    """Find the newest checkpoint that is whole.

    Args:
        folder: `best` or `checkpoints` of a run.
        say: Called with a line for each newer one that is damaged.

    Returns:
        The checkpoint; None if there is none.
    """
    return next(whole_checkpoints(folder, say), None)


def own_best_steps(directory: Path) -> dict[str, int]:
    """Read which step each task's row of the best checkpoint is of, where each has its own.

    Args:
        directory: The run folder.

    Returns:
        By task; empty where all are of one step, or nothing says so.
    """
    try:
        record = json.loads((directory / BEST_FILE).read_text(encoding="utf-8"))
        steps = {task: int(one["step"]) for task, one in record["tasks"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return steps if list_checkpoints(directory / CHECKPOINTS["best"]) else {}
