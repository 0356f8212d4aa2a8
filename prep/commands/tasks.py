"""`prep tasks`: the tasks there are."""

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prep.commands.options import add_tasks_file, own_tasks, parse_local
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
        print(f"{task.name:<24} {task.kind}")
        for line in filter(None, _describe(task, arguments.data_dir)):
            print(_wrap(line))


def _describe(task: Task, data_dir: Path | None) -> Iterator[str]:
    """List what there is to say of a task."""
    if task.description != task.name:
        yield task.description
    answers = f"answers {', '.join(task.label_words)}; " if task.label_words else ""
    yield f"{answers}scored by {', '.join(task.metrics)}"
    yield _describe_elsewhere(task)
    yield _describe_source(task, data_dir)


def _wrap(line: str) -> str:
    """Break a line between words, as wide as the terminal is."""
    return textwrap.fill(
        line,
        shutil.get_terminal_size().columns,
        initial_indent=" " * 4,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _describe_elsewhere(task: Task) -> str:
    """Name the other sources that have a task."""
    sources = (("tfds", task.tfds), ("hf", task.hf))
    return "; ".join(f"--source {kind}: {source.full_name}" for kind, source in sources if source)


def _describe_source(task: Task, data_dir: Path | None) -> str:
    """Name the files that are looked for, or of a data folder those that are there."""
    if not isinstance(task.source, FileSource):
        return "generated from code"
    if data_dir is None:
        folders = " or ".join(f"{folder}/" for folder in task.source.folders)
        files = (
            ", ".join(dict.fromkeys(name for spec in layout.files.values() for name in spec.names))
            for layout in task.source.layouts
        )
        return f"files {' or '.join(files)} in {folders}"
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
        type=parse_local,
        metavar="DIR",
        help="say also which of them have their files there",
    )
    parser.set_defaults(run=run)
