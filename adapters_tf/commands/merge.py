"""`merge`: several tasks' adapters made into one."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from adapters_tf.commands.arguments import read_weights, split_names
from adapters_tf.errors import ConfigurationError
from adapters_tf.interop.exchange import check_target
from adapters_tf.model.heads import HeadOf, TaskHeads
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.loading import load_run, restore_run
from adapters_tf.task_adapters.folder import OWN_MARK, save_task, task_tensors
from adapters_tf.task_adapters.head_files import MergedHead, head_tensors
from adapters_tf.task_adapters.merging import merge_tasks


def merge_command(options: argparse.Namespace) -> None:
    """Make the adapters of several tasks of a run into one task folder.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The weights are no numbers, the tasks' heads answer otherwise, or the
            folder to write holds something else.
    """
    tasks = split_names(options.tasks)
    if len(set(tasks)) < 2 or len(set(tasks)) < len(tasks):
        raise ConfigurationError(f"--tasks {options.tasks!r}: expected two or more different tasks")
    check_target(Path(options.out), OWN_MARK)
    run = load_run(options.run, "none", tasks=tasks)
    check_heads(run.model.heads, tasks)
    start = shared_start(run.model, tasks)
    head_start = _in_common(_heads_of(run.model, tasks))
    model = restore_run(run).model
    merge = functools.partial(
        merge_tasks,
        how=options.how,
        weights=read_weights(options.weights),
        density=options.density,
        seed=options.seed,
    )
    merged = merge({task: task_tensors(model, task) for task in tasks}, start=start)
    heads = _heads_of(model, tasks)
    head = MergedHead(tasks[0], merge(heads, start=head_start)) if heads else None
    name = Path(options.out).name
    folder = save_task(model, name, options.out, merged, head)
    print(f"wrote {folder}" + ", with the head made of theirs" * bool(heads))


def check_heads(heads: TaskHeads | None, tasks: Sequence[str]) -> None:
    """Refuse to merge tasks of which heads answer some, or that heads answer otherwise.

    Args:
        heads: Of their model, None where all answer in words.
        tasks: Two or more of its tasks.

    Raises:
        ConfigurationError: Naming the tasks, and what answers each.
    """
    answered = {task: heads.tasks.get(task) if heads else None for task in tasks}
    if len(set(answered.values())) > 1:
        each = "; ".join(f"{task} {_describe(head)}" for task, head in answered.items())
        raise ConfigurationError(
            f"--tasks {','.join(tasks)}: tasks that answer otherwise have no head in common: {each}"
        )


def _describe(head: HeadOf | None) -> str:
    if head is None:
        return "in words"
    answers = ", ".join(head.words) or (str(head.answers) if head.answers > 1 else "")
    return f"by a head, {head.kind.replace('_', ' ')}" + f" of {answers}" * bool(answers)


def _heads_of(model: TaskModel, tasks: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    return {task: head_tensors(model, task) for task in tasks if model.has_head(task)}


def shared_start(model: TaskModel, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the tensors that tasks had in common before training.

    Args:
        model: As it was then.
        tasks: Two or more of its tasks.

    Returns:
        Tensors by module path; those that were drawn for each task by itself are left out.
    """
    return _in_common({task: task_tensors(model, task) for task in tasks})


def _in_common(by_task: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if not by_task:
        return {}
    first, *others = by_task.values()
    return {
        path: tensor
        for path, tensor in first.items()
        if all(np.array_equal(tensor, other[path]) for other in others)
    }
