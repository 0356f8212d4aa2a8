"""`merge`: several tasks' adapters made into one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.commands.arguments import read_weights, split_names
from adapters_tf.files.local_paths import typed_path
from adapters_tf.interop.exchange import check_target
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.loading import load_run, restore_run
from adapters_tf.task_adapters.folder import OWN_MARK, save_task, task_tensors
from adapters_tf.task_adapters.merging import MERGERS, merge_tasks


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("merge", help="make several tasks' adapters into one")
    parser.add_argument(
        "--run", type=typed_path, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument("--tasks", required=True, help="two or more of its tasks: a,b,c")
    parser.add_argument("--how", default="mean", choices=MERGERS, help="by default mean")
    parser.add_argument("--weights", help="one number per task: 1,1,2; by default equal ones")
    parser.add_argument(
        "--density", type=float, default=0.2, help="share of entries that ties and dare keep"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what dare drops")
    parser.add_argument(
        "--out", type=typed_path, required=True, help="folder to write; an earlier one is replaced"
    )
    parser.set_defaults(run_with=merge_command)


def merge_command(options: argparse.Namespace) -> None:
    """Make the adapters of several tasks of a run into one task folder.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The weights are no numbers, or the folder to write holds something
            else.
    """
    check_target(Path(options.out), OWN_MARK)
    tasks = split_names(options.tasks)
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
