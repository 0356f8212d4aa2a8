"""What a trained run brings to a new task: what all tasks share, rows to start from, slots."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from adapters_tf.runs.checkpoints import FoundCheckpoint, newest_whole
from adapters_tf.runs.config import CHECKPOINTS
from prep import DataError

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_TRAINABLE, _SLOTS, _ITERATIONS = "trainable/", "optimizer/_variables/", "optimizer/_iterations"


@dataclass(frozen=True)
class Saved:
    """A checkpoint of a run, read.

    Attributes:
        step: The steps behind it.
        weights: By module path.
        variables: Of the optimizer, by number; none in a best checkpoint.
        iterations: The optimizer's.
    """

    step: int
    weights: Mapping[str, np.ndarray]
    variables: Mapping[int, np.ndarray]
    iterations: int


@dataclass(frozen=True)
class TrainedRun:
    """The checkpoints of a run folder.

    Attributes:
        directory: The run folder.
        best: What it is scored by.
        last: What it would be gone on with from; None where it cannot be.
        digest: Of the files of both.
    """

    directory: Path
    best: Saved
    last: Saved | None
    digest: str


def read_trained_run(directory: Path) -> TrainedRun:
    """Read what a run has learned.

    Args:
        directory: The run folder.

    Returns:
        Its checkpoints.

    Raises:
        DataError: It has none that is whole.
    """
    damaged: list[str] = []
    found = {
        name: newest_whole(directory / folder, damaged.append)
        for name, folder in CHECKPOINTS.items()
    }
    best = found["best"] or found["last"]
    if best is None:
        why = damaged[0] if damaged else "it holds no checkpoint; train it first"
        raise DataError(f"run {directory} cannot grow: {why}")
    last = found["last"]
    digest = hashlib.sha256()
    for one in filter(None, (best, last)):
        for file in sorted(Path(one.path).parent.glob(f"{Path(one.path).name}.*")):
            digest.update(file.read_bytes())
    saved_last = read_checkpoint(last) if last else None
    return TrainedRun(
        directory,
        read_checkpoint(best),
        saved_last if saved_last and saved_last.variables else None,
        digest.hexdigest(),
    )


def read_checkpoint(found: FoundCheckpoint) -> Saved:
    """Read a checkpoint's tensors.

    Args:
        found: Where it is.

    Returns:
        What it holds.
    """
    reader = tf.train.load_checkpoint(found.path)
    weights, variables, iterations = {}, {}, 0
    for key in reader.get_variable_to_shape_map():
        name = key.removesuffix(_VALUE)
        if name.startswith(_TRAINABLE):
            # TensorFlow doubles the dots of a name.
            weights[name.removeprefix(_TRAINABLE).replace("..", ".")] = reader.get_tensor(key)
        elif name.startswith(_SLOTS):
            variables[int(name.removeprefix(_SLOTS))] = reader.get_tensor(key)
        elif name == _ITERATIONS:
            iterations = int(reader.get_tensor(key))
    return Saved(found.step, weights, variables, iterations)
