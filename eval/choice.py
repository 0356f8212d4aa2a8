"""Which tasks to score: found out before TensorFlow, which takes seconds to load, is needed."""

from collections.abc import Sequence

from adapters_tf.errors import say_note
from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest, TaskEntry, UsageError, nearest


def choose_tasks(
    names: Sequence[str], settings: ResolvedRun, manifest: Manifest, split: str
) -> list[TaskEntry]:
    """Choose the tasks to score: those asked for, or all of the run's that have the split.

    Args:
        names: Tasks asked for; empty for all.
        settings: The run's.
        manifest: The dataset's.
        split: The split to score on.

    Returns:
        The tasks' entries.

    Raises:
        UsageError: A task is unknown, or there is no such split.
    """
    for name in names:
        if name not in settings.tasks:
            raise UsageError(f"the run has no task {name!r}; {nearest(name, settings.tasks)}")
        manifest.task(name).split(split)
    if names:
        return [manifest.task(name) for name in names]
    present = [manifest.tasks[name] for name in settings.tasks if name in manifest.tasks]
    chosen = [entry for entry in present if split in entry.splits]
    left_out = [name for name in settings.tasks if name not in {entry.name for entry in chosen}]
    if chosen and left_out:
        say_note(
            f"not scored, for the dataset has no split {split!r} of them: {', '.join(left_out)}"
        )
    if not chosen:
        splits = {name for entry in present for name in entry.splits}
        raise UsageError(f"no task of the run has a split {split!r}; {nearest(split, splits)}")
    return chosen
