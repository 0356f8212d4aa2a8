"""What the folder of a quickstart is of, so that it never answers for another file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prep import DataError, UsageError
from prep.storage.durable_files import write_atomically

RECORD = "quickstart.json"
TASKS_FILE = "tasks.yaml"
DATASET = "data"
_ELSEWHERE = "choose another folder with --run (make: RUN=)"

_Files = Mapping[str, Mapping[str, str]]  # path and digest, by split


def describe_call(files: Mapping[str, Path], options: Mapping[str, str | None]) -> dict[str, Any]:
    """Say what a quickstart is asked for.

    Args:
        files: By split.
        options: What the task file, the vocabulary and the model depend on, by option.

    Returns:
        What the record holds, but the digest of the task file.

    Raises:
        UsageError: A file is not there.
    """
    found = {}
    for split, path in files.items():
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        found[split] = {"path": str(path.resolve()), "sha256": _digest(path)}
    return {"files": found, "options": {name: one for name, one in options.items() if one}}


def write_record(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write down what a folder is of; of a task file that is there, which one it is.

    Args:
        folder: Of the quickstart.
        asked: As `describe_call` says it.
    """
    tasks = folder / TASKS_FILE
    told = {**asked, "tasks": _digest(tasks) if tasks.exists() else ""}
    write_atomically(folder / RECORD, (json.dumps(told, indent=1) + "\n").encode())


def refuse_other(folder: Path, asked: Mapping[str, Any]) -> None:
    """Refuse a folder that holds a quickstart of something else.

    A task file of one's own, in a folder where nothing is built yet, is taken.

    Args:
        folder: Of the quickstart.
        asked: As `describe_call` says it.

    Raises:
        UsageError: It is of other files, contents, options or another task file.
        DataError: Its record cannot be read.
    """
    record, tasks = folder / RECORD, folder / TASKS_FILE
    is_built = (folder / DATASET).exists()
    if not tasks.exists():
        return
    if not record.exists():
        if is_built:
            what = f"{folder} holds a dataset and does not say of which file"
            raise UsageError(f"{what}; {_ELSEWHERE}")
        return
    files, options, digest = _read_record(record)
    _refuse_files(folder, files, asked["files"])
    for name in sorted({*options, *asked["options"]}):
        old, new = (one.get(name, "none") for one in (options, asked["options"]))
        if old != new:
            raise UsageError(f"{folder} was begun with --{name} {old}, now {new}; {_ELSEWHERE}")
    if is_built and digest != _digest(tasks):
        raise UsageError(
            f"{tasks} was changed after {folder / DATASET} was built from it; copy it into another "
            "folder and name that with --run (make: RUN=)"
        )


def _read_record(file: Path) -> tuple[_Files, dict[str, str], str]:
    """Read the files, the options and the digest of the task file."""
    try:
        told = json.loads(file.read_bytes())
        files = {
            split: {"path": str(one["path"]), "sha256": str(one["sha256"])}
            for split, one in told["files"].items()
        }
        return files, dict(told["options"]), str(told["tasks"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} cannot be read: {error!r}; {_ELSEWHERE}") from error


def _refuse_files(folder: Path, old: _Files, new: _Files) -> None:
    if _column(old, "sha256") == _column(new, "sha256"):
        return
    if _column(old, "path") != _column(new, "path"):
        names = (", ".join(_column(one, "path").values()) for one in (old, new))
        what = "{} holds a quickstart of {}, not of {}".format(folder, *names)
        raise UsageError(f"{what}; {_ELSEWHERE}")
    changed = ", ".join(new[split]["path"] for split in new if old[split] != new[split])
    raise UsageError(
        f"{folder} holds a quickstart of {changed} as it was before it was changed; {_ELSEWHERE}, "
        "or remove this one to begin anew"
    )


def _column(files: _Files, key: str) -> dict[str, str]:
    return {split: one[key] for split, one in files.items()}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
