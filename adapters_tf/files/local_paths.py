"""Places on this machine, as a person types them: no address, and ~ is the home folder.

`prep.storage.places` has the same rule for what it writes; neither package may import the other.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from adapters_tf.errors import ConfigurationError

BUCKET = "gs://"
# A slash or two: pathlib makes one of them.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(where: str | os.PathLike[str], what: str = "") -> Path:
    """Read a place on this machine.

    Args:
        where: As a person typed it.
        what: The setting or option, for the message.

    Returns:
        The path, with ~ expanded.

    Raises:
        ConfigurationError: It is an address, such as gs://bucket, or of an unknown user's home.
    """
    text = os.fspath(where)
    if _ADDRESS.match(text):
        raise ConfigurationError(
            f"{what} {text!r} is an address; expected a folder or file of this machine".lstrip()
        )
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{what} {text!r}: there is no such user".lstrip()) from None


def dataset_place(where: str, what: str = "") -> str:
    """Read the place of a dataset: on this machine, or in a bucket of Google's.

    Args:
        where: As a person typed it.
        what: The setting or option, for the message.

    Returns:
        A gs:// address, or a path with ~ expanded.

    Raises:
        ConfigurationError: It is another address.
    """
    if where.startswith(BUCKET):
        return where
    if _ADDRESS.match(where):
        raise ConfigurationError(
            f"{what} {where!r} cannot be read; expected a local folder or gs://bucket/…".lstrip()
        )
    return str(local_path(where, what))


def same_place(where: str) -> str:
    """Write a place in the one way there is, so that two ways to say it are equal.

    Args:
        where: As `dataset_place` returns it.

    Returns:
        An address as it is, but for a slash at its end; of a path, what it leads to.
    """
    return where.rstrip("/") if where.startswith(BUCKET) else os.path.realpath(where)


def typed_path(text: str) -> str:
    """Read an option that names a place on this machine, for argparse."""
    return _typed(text, is_dataset=False)


def typed_file(text: str) -> Path:
    """Read an option that names a file or folder to read or write, for argparse."""
    return Path(typed_path(text))


def typed_dataset(text: str) -> str:
    """Read an option that names a dataset, for argparse."""
    return _typed(text, is_dataset=True)


def _typed(text: str, *, is_dataset: bool) -> str:
    try:
        return dataset_place(text) if is_dataset else str(local_path(text))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
