"""Options that several commands share, and how the library's messages name options."""

import argparse
import dataclasses
import re
from pathlib import Path

from prep.build.options import BuildOptions
from prep.errors import UsageError
from prep.inspection.survey import Mixture
from prep.storage import Place, local_path, place_of
from prep.tasks import get_task
from prep.tasks.task import Task
from prep.tasks.tasks_file import load_tasks

_OPTIONS = {
    field.name: f"--{field.name.replace('_', '-')}"
    for kind in (BuildOptions, Mixture)
    for field in dataclasses.fields(kind)
} | {
    "limits": "--limit",
    "has_name_in_front": "--task-name-in-front",
    "give_up_after": "--give-up-after",
}
_NAMED_FIELD = re.compile(r"`(\w+)(?:=([^`]+))?`")


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
        type=parse_local,
        action="append",
        default=[],
        metavar="FILE",
        help="tasks of your own: a .yaml file, or a .py module with a list TASKS; one with"
        " `objective: span_corruption` or `prefix_lm` learns from raw text; may be given again",
    )


def _parse_tasks(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def parse_folder(text: str) -> Place:
    """Read a folder, local or in a bucket."""
    try:
        return place_of(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_local(text: str) -> Path:
    """Read a place on this machine."""
    try:
        return local_path(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
    try:
        return tuple(own.get(name) or get_task(name, own) for name in arguments.tasks)
    except UsageError as error:
        hint = "" if arguments.tasks_file else ", and --tasks-file reads your own"
        raise UsageError(f"{error}{hint}") from error


def spell_options(message: str) -> str:
    """Spell the fields that a message of the library names as they are typed here.

    Args:
        message: Where a field of `BuildOptions` or `Mixture` is named in backquotes, with a value
            or without: `workers=1`, `pack`.

    Returns:
        The same with options: --workers 1, --pack.
    """

    def spell(named: re.Match[str]) -> str:
        name, value = named.groups(default="")
        return f"{_OPTIONS[name]} {value}".rstrip() if name in _OPTIONS else named[0]

    return _NAMED_FIELD.sub(spell, message)
