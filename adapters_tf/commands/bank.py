"""`bank`: a run whose bank has tasks added, renamed or dropped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from adapters_tf.errors import ConfigurationError
from adapters_tf.files.local_paths import local_path
from adapters_tf.interop import describe_formats, export_formats
from adapters_tf.runs.bank_editing import edit_bank, edit_names, write_run
from adapters_tf.runs.loading import load_run


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
    exports = describe_formats(export_formats(model))
    write_run(model, settings, run.directory, run.step, out, exports)
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
