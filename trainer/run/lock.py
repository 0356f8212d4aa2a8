"""One process to a run folder: a lock that whoever holds it loses when it ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from prep import UsageError

LOCK_FILE = ".lock"  # in the run folder, while a process trains there


@contextlib.contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Own a run folder for as long as a block runs.

    Args:
        folder: Made if absent; removed again where the block leaves it empty.

    Yields:
        Nothing.

    Raises:
        UsageError: Another process owns it.
        OSError: The folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LOCK_FILE
    descriptor = _lock(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _lock(file: Path) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(file, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise UsageError(
                f"another process (pid {holder}) trains in {file.parent}; wait for it, end it, or "
                "choose another --run"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had it removed the file before we got it


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
