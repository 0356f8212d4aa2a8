"""`merge`: several tasks' adapters made into one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adapters_tf.commands.arguments import read_weights, split_names
from adapters_tf.errors import ConfigurationError
from adapters_tf.interop.exchange import check_target
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.loading import load_run, restore_run
from adapters_tf.task_adapters.folder import OWN_MARK, save_task, task_tensors
from adapters_tf.task_adapters.merging import merge_tasks


def merge_command(options: argparse.Namespace) -> None:
    """Make the adapters of several tasks of a run into one task folder.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The weights are no numbers, or the folder to write holds something
            else.
    """
    tasks = split_names(options.tasks)
    if len(set(tasks)) < 2 or len(set(tasks)) < len(tasks):
        raise ConfigurationError(f"--tasks {options.tasks!r}: expected two or more different tasks")
    check_target(Path(options.out), OWN_MARK)
    run = load_run(options.run, "none", tasks=tasks)
    start = shared_start(run.model, tasks)
    model = restore_run(run).model
    merged = merge_tasks(
        {task: task_tensors(model, task) for task in tasks},
        options.how,
        weights=read_weights(options.weights),
        density=options.density,
        start=start,
        seed=options.seed,
    )
    name = Path(options.out).name
    print(f"wrote {save_task(model, name, options.out, merged)}")


def shared_start(model: TaskModel, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the tensors that tasks had in common before training.

    Args:
        model: As it was then.
        tasks: Two or more of its tasks.

    Returns:
        Tensors by module path; those that were drawn for each task by itself are left out.
    """
    first, *others = (task_tensors(model, task) for task in tasks)
    return {
        path: tensor
        for path, tensor in first.items()
        if all(np.array_equal(tensor, other[path]) for other in others)
    }
