"""Refuse settings of batches that do not go together."""

from __future__ import annotations

from adapters_tf.runs.sections import HeadsConfig
from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest, UsageError, nearest
from trainer.settings.config import BalancingConfig
from trainer.settings.mixture import MOST_STEPS
from trainer.settings.resolving import packed_lengths

_HOW = "use data.mixture round, and a multiple of the number of tasks"
_MOST_WEIGHT = 1e9  # of a task's gradients; far beyond it float32 holds no product


def check_shapes(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse lengths by task where a batch is not of one task, or not of one shape.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        UsageError: Naming the other setting.
    """
    data = settings.data
    if data.lengths == "one":
        return
    if data.routing == "example":
        raise UsageError(
            "data.lengths per_task: with data.routing example a batch mixes tasks; take "
            "data.lengths one, or data.routing batch"
        )
    if settings.training.steps_per_execution > 1 and settings.training.tasks_per_step == 1:
        raise UsageError(
            "data.lengths per_task: training.steps_per_execution must be 1, as each step may have "
            "another shape"
        )
    if packed_lengths(manifest, settings.tasks, data.train_split):
        raise UsageError("data.lengths per_task: packed rows have one shape, and little padding")


def check_lanes(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse lanes that do not divide a batch, or that a task has not a row for each of.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        UsageError: Naming the other setting, or the task.
    """
    data = settings.data
    if data.batch_size % data.lanes:
        raise UsageError(
            f"data.lanes {data.lanes} must divide data.batch_size, which is {data.batch_size}"
        )
    for task in settings.tasks:
        rows = manifest.task(task).split(data.train_split).records
        if rows < data.lanes:
            raise UsageError(
                f"data.lanes is {data.lanes:,}, and {task} has {rows:,} rows in its split "
                f"{data.train_split!r}; expected a row or more for each lane"
            )


def check_weights(settings: ResolvedRun) -> None:
    """Refuse weights of a mixture that leave out a task, or name one that the run has not.

    Args:
        settings: Of the run.

    Raises:
        UsageError: Naming the tasks.
    """
    data = settings.data
    if data.mixture != "weights":
        if data.weights:
            raise UsageError(
                f"data.weights are of data.mixture weights, and it is {data.mixture!r}"
            )
        return
    for task in data.weights:
        if task not in settings.tasks:
            raise UsageError(f"data.weights {task!r} is unknown; {nearest(task, settings.tasks)}")
    missing = [task for task in settings.tasks if task not in data.weights]
    if missing:
        raise UsageError(f"data.weights leaves out {', '.join(missing)}; expected every task")


def takes_every_task(settings: ResolvedRun) -> bool:
    """Tell whether each step of several batches takes as many of every task.

    Args:
        settings: Of the run.

    Returns:
        Whether it does; only then may their shapes differ, for a step has one program.
    """
    is_whole = settings.training.tasks_per_step % len(settings.tasks) == 0
    return is_whole and settings.data.mixture == "round"


def check_balancing(settings: ResolvedRun) -> None:
    """Refuse steps of several batches that cannot be made, and a balance that nothing asks for.

    Args:
        settings: Of the run.

    Raises:
        UsageError: Naming the other setting.
    """
    balancing, count = settings.balancing, settings.training.tasks_per_step
    if balancing.weights and balancing.method != "weights":
        raise UsageError(
            f"balancing.weights are of balancing.method weights, and it is {balancing.method!r}"
        )
    for task, weight in balancing.weights.items():
        if task not in settings.tasks:
            raise UsageError(
                f"balancing.weights {task!r} is unknown; {nearest(task, settings.tasks)}"
            )
        if weight > _MOST_WEIGHT:
            raise UsageError(
                f"balancing.weights.{task} must be at most {_MOST_WEIGHT:,.0f}, got {weight}"
            )
    if not any(balancing.weights.get(task, 1.0) for task in settings.tasks):
        raise UsageError(
            "balancing.weights are 0 for every task: what tasks share would not train; give one "
            "task more"
        )
    if count == 1:
        if balancing.method != BalancingConfig.method:
            raise UsageError(
                f"balancing.method {balancing.method} weighs the tasks of one step, and a step has "
                "one batch; set training.tasks_per_step to 2 or more"
            )
        return
    if settings.data.routing == "example":
        raise UsageError(
            "training.tasks_per_step: with data.routing example one batch mixes tasks already"
        )
    if settings.data.lengths == "per_task" and not takes_every_task(settings):
        raise UsageError(
            "training.tasks_per_step: with data.lengths per_task every step must take as many "
            f"batches of each task; {_HOW}"
        )
    if settings.training.steps * count > MOST_STEPS:
        raise UsageError(f"training.steps × training.tasks_per_step must be at most {MOST_STEPS:,}")


def _check_regressions(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse numbers for a head to learn, or to be scored by, that lost digits."""
    for task, kind in settings.heads.kinds.items():
        for name in (settings.data.train_split, settings.data.validation_split):
            split = manifest.task(task).splits.get(name)
            if kind == "regression" and split is not None and split.truncated_targets:
                raise UsageError(
                    f"heads.tasks: {split.truncated_targets:,} of {split.examples:,} numbers of "
                    f"{task!r}, {name}, were cut to {manifest.max_target_length} tokens and are "
                    "others now; build the dataset with a greater --max-target-length"
                )


def check_heads(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse heads where batches are not of one task with one text or one set of choices a row.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        UsageError: Naming the other setting, or numbers that are not what was written.
    """
    _check_regressions(settings, manifest)
    heads = settings.heads
    shapes = {(task in heads.kinds, heads.choices(task)) for task in settings.tasks}
    if not heads.kinds:
        unused = [
            name
            for name in ("pooling", "layers", "dropout", "class_weights", "focal_gamma")
            if getattr(heads, name) not in (getattr(HeadsConfig(), name), {})
        ]
        if unused:
            raise UsageError(f"heads.{unused[0]} has no effect without heads.tasks")
        return
    if packed_lengths(manifest, heads.kinds, settings.data.train_split):
        raise UsageError(
            "heads.tasks: the dataset is packed, several examples in a row, and a head reads one; "
            "build it without --pack, or let all tasks answer in words"
        )
    if len(shapes) == 1:
        return
    what = "some tasks answer in words and others by heads"
    if all(is_headed for is_headed, _ in shapes):
        what = "tasks have different numbers of choices"
    several = settings.training.tasks_per_step > 1
    for name, is_set, way_out in (
        ("data.routing example", settings.data.routing == "example", ""),
        (
            "training.tasks_per_step",
            several and not takes_every_task(settings),
            f"; {_HOW}",
        ),
        (
            "training.steps_per_execution",
            settings.training.steps_per_execution > 1 and not several,
            "",
        ),
    ):
        if is_set:
            raise UsageError(f"{name}: {what}, so that batches have different shapes{way_out}")
