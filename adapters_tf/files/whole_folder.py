"""A folder that appears whole or not at all, in place of an older one if there is one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from adapters_tf.files.local_paths import local_path
from adapters_tf.files.tensors import naming


@contextlib.contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Yield a hidden folder to write, which then takes the place of another.

    The older folder is removed only when the new one, synced to the disk, stands: whatever ends
    the program, one of the two is there and whole. (Between two renamings the older one has a
    hidden name; the next call gives it its own again.)

    Args:
        folder: Where it belongs; made with its parents.

    Yields:
        The folder to write to, empty.

    Raises:
        ConfigurationError: It is an address.
        OSError: The disk refuses; the older folder is as it was.
    """
    folder = local_path(folder).resolve()  # a symbolic link stays, and what it leads to is replaced
    partial = folder.with_name(f".{folder.name}.partial")
    older = _older(folder)
    if older.exists() and not folder.exists():  # killed between the two renamings
        older.rename(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in (path for path in partial.rglob("*") if path.is_file()):
            _sync(file)
        _sync(partial)
        _put_in_place(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(folder.parent)


def _older(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _put_in_place(partial: Path, folder: Path) -> None:
    if not folder.exists():
        partial.rename(folder)
        return
    older = _older(folder)
    shutil.rmtree(older, ignore_errors=True)
    folder.rename(older)
    try:
        partial.rename(folder)
    except OSError:
        older.rename(folder)
        raise
    shutil.rmtree(older)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
