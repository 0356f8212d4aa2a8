"""A lock on what one process at a time may write; the system releases it in a crash."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prep.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PAUSE = 0.1  # seconds
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


@contextlib.contextmanager
def locked(
    path: Path,
    what: str,
    report: Callable[[str], None] = print,
    *,
    writer: str = "build",
    patience: float = 0.0,
) -> Iterator[None]:
    """Hold a lock; nobody else on this machine, or on a shared disk that has locks, can hold it.

    Args:
        path: The lock's file, which is there as long as the lock is held.
        what: What it is a lock on, for messages.
        report: Told where there are no locks.
        writer: What holds such locks, for messages.
        patience: Seconds to wait for whoever holds it.

    Yields:
        Nothing.

    Raises:
        DataError: If another process holds it.
        OSError: If the file cannot be made.
    """
    file = _acquire(path, what, report, writer, time.monotonic() + patience)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # gone with its folder
            path.unlink()
        os.close(file)


def _acquire(
    path: Path, what: str, report: Callable[[str], None], writer: str, deadline: float
) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(file, 32).decode(errors="replace").strip()
            if error.errno in _HELD:
                os.close(file)
                if time.monotonic() < deadline:
                    time.sleep(_PAUSE)
                    continue
                process = f" (process {owner})" if owner else ""
                raise DataError(
                    f"another {writer} is writing {what}{process}: wait, or choose another `out`"
                ) from error
            report(f"note: {path.parent} has no locks ({error.strerror}): start no second {writer}")
        with contextlib.suppress(FileNotFoundError):  # whoever held it may have removed it since
            if os.path.samestat(os.fstat(file), path.stat()):
                os.ftruncate(file, 0)
                os.write(file, str(os.getpid()).encode())
                return file
        os.close(file)
