"""What the examples of each task count in the loss of a batch that mixes tasks."""

from __future__ import annotations

import math

from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest, TaskEntry, UsageError, nearest

SCALES = ("equal", "classes")


def loss_scales(settings: ResolvedRun, manifest: Manifest) -> dict[str, float]:
    """Compute the scale of each task's loss.

    Only the proportions within a batch count: the loss of a batch is a mean. Losses are reported
    as they are.

    Args:
        settings: Of the run.
        manifest: Of its dataset, which knows the answers of each task.

    Returns:
        By task; 1 / ln(n) with `classes`, of n label words, or of the vocabulary's size for free
        text (Aghajanyan et al. 2021, "Muppet", arXiv 2101.11038); 1 of a head that gives numbers.
    """
    given = settings.data.loss_scale
    if isinstance(given, dict):
        return {task: given.get(task, 1.0) for task in settings.tasks}
    if given == "equal":
        return dict.fromkeys(settings.tasks, 1.0)
    return {task: _by_classes(settings, manifest.task(task), manifest) for task in settings.tasks}


def _by_classes(settings: ResolvedRun, entry: TaskEntry, manifest: Manifest) -> float:
    if settings.heads.kinds.get(entry.name) == "regression":
        return 1.0
    answers = len(entry.label_words) or manifest.vocabulary.size
    return 1.0 / math.log(max(answers, 2))


def check_loss_scale(settings: ResolvedRun) -> None:
    """Refuse scales that nothing asks for, or of tasks there are not.

    Args:
        settings: Of the run.

    Raises:
        UsageError: Naming the setting.
    """
    scale = settings.data.loss_scale
    if isinstance(scale, str) and scale not in SCALES:
        raise UsageError(f"data.loss_scale {scale!r} is unknown; {nearest(scale, SCALES)}")
    if isinstance(scale, dict):
        for task, one in scale.items():
            if task not in settings.tasks:
                raise UsageError(
                    f"data.loss_scale {task!r} is unknown; {nearest(task, settings.tasks)}"
                )
            if not 0 < one < 1e6:
                raise UsageError(
                    f"data.loss_scale.{task} must be above 0 and below a million, got {one}"
                )
    if scale != "equal" and settings.data.routing != "example":
        raise UsageError(
            "data.loss_scale weighs the tasks of one batch, which with data.routing batch are one; "
            "use data.routing example, or balancing.method weights"
        )
