"""Which of a task's sources its rows are read from: files, TensorFlow Datasets, or the Hub."""

import dataclasses
from collections.abc import Mapping

from prep.errors import UsageError, nearest
from prep.sources.declarations import SOURCES, GeneratedSource
from prep.tasks.task import Task


def read_from(task: Task, source: str) -> Task:
    """Read the task from another source than its files.

    Args:
        task: The task.
        source: One of "files", "tfds", "hf"; generated tasks are generated whatever it is.

    Returns:
        The task with that source, and the labels as that source writes them.

    Raises:
        UsageError: If there is no such source, or the task is not in it.
    """
    if source not in SOURCES:
        raise UsageError(f"`source`: there is no source {source!r}; {nearest(source, SOURCES)}")
    if source == "files" or isinstance(task.source, GeneratedSource):
        return task
    chosen = task.tfds if source == "tfds" else task.hf
    if chosen is None:
        raise UsageError(f"task {task.name!r} has no `source={source}`; it has files")
    return dataclasses.replace(
        task, source=chosen, labels=chosen.labels or _numbered(task.labels), columns=()
    )


def _numbered(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Let labels be written as the numbers of the label words as well, unless numbers they are."""
    if any(value.isdecimal() for value in labels):
        return labels
    words = dict.fromkeys(labels.values())
    return {**labels, **{str(number): word for number, word in enumerate(words)}}
