"""`prep tasks`: the tasks there are."""

import argparse
from pathlib import Path
from typing import Any

from prep.commands.options import add_tasks_file, own_tasks, parse_path
from prep.errors import DataError
from prep.sources.declarations import FileSource
from prep.splits.finding import find_layout
from prep.tasks import ALL_TASKS
from prep.tasks.task import Task


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    for task in (*own_tasks(arguments).values(), *ALL_TASKS):
        print(f"{task.name:<22} {task.kind:<16} {task.description}")
        answers = f"answers {', '.join(task.label_words)}; " if task.label_words else ""
        print(f"{'':<22} {answers}scored by {', '.join(task.metrics)}")
        elsewhere = _describe_elsewhere(task)
        if elsewhere:
            print(f"{'':<22} {elsewhere}")
        if arguments.data_dir:
            print(f"{'':<22} {_describe_source(task, arguments.data_dir)}")


def _describe_elsewhere(task: Task) -> str:
    """Name the other sources that have a task."""
    sources = (("tfds", task.tfds), ("hf", task.hf))
    return "; ".join(f"--source {kind}: {source.full_name}" for kind, source in sources if source)


def _describe_source(task: Task, data_dir: Path) -> str:
    if not isinstance(task.source, FileSource):
        return "generated from code"
    try:
        found = find_layout(task, task.source, data_dir)
    except DataError as error:
        return str(error)
    return f"found {', '.join(str(path) for paths in found.paths.values() for path in paths)}"


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "tasks", help="list the tasks there are", description="List the tasks there are."
    )
    add_tasks_file(parser)
    parser.add_argument(
        "--data-dir",
        type=parse_path,
        metavar="DIR",
        help="say also which of them have their files there",
    )
    parser.set_defaults(run=run)
