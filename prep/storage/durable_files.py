"""Files that the disk has, or will have: writing one and waiting for it are two steps."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write a file, which the disk may have only later; see `sync_file`.

    Args:
        path: The file.
        content: Its bytes.

    Raises:
        OSError: If the disk refuses, naming the file.
    """
    with _naming(path):
        path.write_bytes(content)


def sync_file(path: Path) -> None:
    """Wait until the disk has a file.

    Args:
        path: The file.

    Raises:
        OSError: If the disk refuses, naming the file.
    """
    with _naming(path), path.open("rb") as file:
        os.fsync(file.fileno())


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it.

    Args:
        path: The file.
        content: Its bytes.

    Raises:
        OSError: If the disk refuses, naming the file.
    """
    write_file(path, content)
    sync_file(path)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader, and no crash, ever sees half of it.

    Args:
        path: Where the file shall be.
        content: Its bytes.

    Raises:
        OSError: If the disk refuses, naming the file; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _naming(path):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
