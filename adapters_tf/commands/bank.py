"""`bank`: a run whose bank has tasks added, renamed or dropped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_tf.errors import ConfigurationError
from adapters_tf.files.local_paths import local_path, typed_path
from adapters_tf.runs.bank_editing import edit_bank, edit_names, write_run
from adapters_tf.runs.loading import load_run


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("bank", help="add, rename or drop tasks of a run's bank")
    parser.add_argument(
        "--run", type=typed_path, required=True, help="run folder that the trainer wrote; it stays"
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="TASK=FOLDER",
        help="a task, and the folder of its adapter; may be given again, as may the others",
    )
    parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW")
    parser.add_argument("--drop", action="append", default=[], metavar="TASK")
    parser.add_argument("--out", type=typed_path, required=True, help="run folder to write")
    parser.set_defaults(run_with=bank_command)


def bank_command(options: argparse.Namespace) -> None:
    """Write a run folder with the tasks as asked for.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: Nothing to change, or a change that cannot be.
        WeightsError: A folder that does not fit the bank.
    """
    folders = {
        task: str(local_path(folder, f"--add {task}:"))
        for task, folder in _read_pairs("--add", options.add).items()
    }
    renamed = _read_pairs("--rename", options.rename)
    if not (folders or renamed or options.drop):
        raise ConfigurationError("nothing to change: give --add, --rename or --drop")
    run = load_run(options.run)
    if not run.model.banks:
        raise ConfigurationError(f"{options.run} has no adapters, so no bank")
    names = edit_names(run.model.task_names, add=list(folders), rename=renamed, drop=options.drop)
    model, settings = edit_bank(run, names, folders)
    out = Path(options.out)
    write_run(model, settings, run.directory, run.step, out)
    for new, old in names.items():
        print(f"{new}: " + (f"from {folders[new]}" if old is None else _describe(new, old)))
    print(f"wrote {out} ({len(names)} tasks, weights of step {run.step})")


def _describe(new: str, old: str) -> str:
    return "as it was" if new == old else f"was {old}"


def _read_pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not (name and separator and value):
            raise ConfigurationError(f"{option} {text!r}: expected two names with = between them")
        if name in pairs:
            raise ConfigurationError(f"{option} names {name!r} twice")
        pairs[name] = value
    return pairs
