"""Options that several commands share: which tasks, and where their rows are."""

import argparse
from pathlib import Path

from prep.storage.files import StoragePath, is_remote
from prep.tasks import get_task
from prep.tasks.task import Task
from prep.tasks.tasks_file import load_tasks


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Add --tasks, --tasks-file, --data-dir and --source."""
    parser.add_argument(
        "--tasks",
        type=_parse_tasks,
        required=True,
        metavar="TASK,TASK",
        help="names as `python -m prep tasks` lists them",
    )
    add_tasks_file(parser)
    parser.add_argument(
        "--data-dir",
        type=parse_folder,
        metavar="DIR",
        help="folder or gs:// prefix that holds a folder per task, or the datasets of --source"
        " tfds, or the cache of --source hf; generated tasks need none",
    )
    parser.add_argument(
        "--source",
        default="files",
        metavar="KIND",
        help="where rows come from: files (below --data-dir), tfds (TensorFlow Datasets), hf"
        " (Hugging Face datasets, to be installed by you) (default: %(default)s)",
    )


def add_tasks_file(parser: argparse.ArgumentParser) -> None:
    """Add --tasks-file."""
    parser.add_argument(
        "--tasks-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="tasks of your own: a .yaml file, or a .py module with a list TASKS; one with"
        " `objective: span_corruption` or `prefix_lm` learns from raw text; may be given again",
    )


def _parse_tasks(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def parse_folder(text: str) -> StoragePath:
    """Read a folder, local or in a bucket."""
    return text if is_remote(text) else Path(text)


def own_tasks(arguments: argparse.Namespace) -> dict[str, Task]:
    """Read the tasks of --tasks-file; they go before those of the same name here."""
    return {task.name: task for path in arguments.tasks_file for task in load_tasks(path)}


def find_tasks(arguments: argparse.Namespace) -> tuple[Task, ...]:
    """Look up the tasks of --tasks, one's own first.

    Args:
        arguments: The command's options.

    Returns:
        The tasks, in the order given.

    Raises:
        UsageError: If there is no such task.
    """
    own = own_tasks(arguments)
    return tuple(own.get(name) or get_task(name, own) for name in arguments.tasks)
