"""Several worker processes on one run: one writes to its folder, and all stop at the same step.

Every worker does what a single process does, callbacks included, on figures that are equal on all
of them. The chief does it in the run folder, the others in a folder of their own, which begins
as a copy of what the run folder had and is gone at the end: nothing of theirs is ever seen there.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from adapters_tf.runs.checkpoints import BEST_FILE
from adapters_tf.runs.config import CHECKPOINTS, CONFIG_FILE
from adapters_tf.runs.sources import FROZEN_FOLDER
from adapters_tf.runtime.strategy import ask_all
from adapters_tf.runtime.workers import Worker, reason_of_loss
from prep import DataError
from trainer.run.folder import copy_parts
from trainer.run.metrics_log import METRICS_FILE

# What a run is gone on with from.
_READ = (CONFIG_FILE, BEST_FILE, METRICS_FILE, FROZEN_FOLDER, *CHECKPOINTS.values())


@contextlib.contextmanager
def own_copy(folder: Path) -> Iterator[Path]:
    """Give a worker that is not the chief a folder to write to.

    Args:
        folder: The run folder.

    Yields:
        A folder that holds what the run folder does; it is removed in the end.
    """
    with tempfile.TemporaryDirectory(prefix="worker-", ignore_cleanup_errors=True) as place:
        copy = Path(place) / folder.name
        copy_parts(folder, copy, _READ)
        yield copy


def any_worker(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """Make what tells whether something is so for any worker.

    Args:
        strategy: Of the workers.

    Returns:
        A function of what is so here; all workers must call it alike.
    """
    return lambda flag: any(ask_all(strategy, float(flag)))


def check_same_step(strategy: tf.distribute.Strategy, first: int, folder: str) -> None:
    """Refuse to go on where the workers would go on from different steps.

    Args:
        strategy: Of the workers.
        first: The steps behind what this one has read.
        folder: The run folder, for the message.

    Raises:
        DataError: Naming the steps.
    """
    found = sorted({int(step) for step in ask_all(strategy, first)})
    if len(found) > 1:
        raise DataError(
            f"workers go on from steps {' and '.join(map(str, found))}: {folder} must be one "
            "folder that all of them see"
        )


def explain_lost_worker(error: tf.errors.OpError, worker: Worker, folder: str) -> DataError:
    """Say that another worker has gone, in place of what TensorFlow says.

    Args:
        error: TensorFlow's.
        worker: This one.
        folder: The run folder.

    Returns:
        The error to raise.
    """
    return DataError(
        f"worker {worker.number} of {worker.count} has lost another one; {folder} has the steps up "
        "to its last checkpoint, and the same command on every worker goes on from there "
        f"({reason_of_loss(str(error.message))})"
    )
