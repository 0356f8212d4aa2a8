"""Who builds into a folder of a bucket: an object that only one program can make.

A lock of this machine (`locks`) says nothing to others. The object is made on the condition that
there is none, and tells the owner's machine, process and times. Its owner writes it anew every
minute and removes it in the end. One that was not renewed for ten minutes is of a program that is
no more, and the next build replaces it; so is one of a build that was killed on this machine, which
cannot run any more where its lock here is ours.
"""

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import google_crc32c

from prep.errors import DataError
from prep.storage.bucket import BucketFolder, RemoteObject

OWNER_FILE = ".prep-owner.json"
RENEWED_EVERY = 60.0  # seconds
STALE_AFTER = 600.0  # seconds without renewal, by the clocks of both machines


@contextlib.contextmanager
def owned_address(address: str, lock: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Keep builds of other machines away from a folder of a bucket.

    Args:
        address: Such as gs://bucket/prefix.
        lock: What this program holds on this machine, so that no other one here builds there.
        report: Receives lines for the person who waits.

    Yields:
        Nothing.

    Raises:
        DataError: If another build owns the folder, or the bucket refuses.
    """
    with BucketFolder(address) as folder:
        owner = _Owner(folder, lock, report)
        owner.acquire()
        try:
            yield
        finally:
            owner.release()


class _Owner:
    """The object of one owner, and the thread that renews it."""

    def __init__(self, folder: BucketFolder, lock: Path, report: Callable[[str], None]):
        self._folder, self._report = folder, report
        self._says: dict[str, Any] = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "lock": str(lock),
            "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "renewed": 0.0,  # seconds since 1970
            "token": uuid.uuid4().hex,
        }
        self._held: RemoteObject | None = None
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, daemon=True)

    def acquire(self) -> None:
        """Become the owner, or say who it is."""
        present = self._folder.find(OWNER_FILE)
        if present is not None:
            self._check_gone(_read(self._folder.read(OWNER_FILE)))
        self._write(present)
        self._renewer.start()

    def release(self) -> None:
        """Be the owner no more."""
        self._ended.set()
        self._renewer.join()
        if self._held is not None:
            try:
                self._folder.remove(self._held)
            except DataError as error:
                self._report(f"note: {self._folder.address}/{OWNER_FILE} was not removed: {error}")

    def _check_gone(self, other: dict[str, Any]) -> None:
        """Refuse to take the place of an owner that may be at work."""
        name = f"{self._folder.address}/{OWNER_FILE}"
        host, process = other.get("host"), other.get("process")
        is_own = (host, other.get("lock")) == (self._says["host"], self._says["lock"])
        silence = time.time() - float(other.get("renewed", 0.0))
        if is_own or silence > STALE_AFTER:
            self._report(f"note: {name} of process {process} on {host}, which ended, is replaced")
            return
        raise DataError(
            f"another build is writing {self._folder.address} (process {process} on {host}, last"
            f" seen {max(silence, 0.0):.0f} seconds ago): wait, or choose another `out`; if it was"
            f" killed, it is taken over after {STALE_AFTER / 60:.0f} minutes, or at once if you"
            f" remove {name}"
        )

    def _write(self, replaced: RemoteObject | None) -> None:
        self._says["renewed"] = time.time()
        content = json.dumps(self._says, indent=1).encode()
        with tempfile.TemporaryDirectory(prefix="prep-owner-") as made:
            path = Path(made, OWNER_FILE)
            path.write_bytes(content)
            crc32c = f"{google_crc32c.value(content):08x}"
            self._folder.upload(OWNER_FILE, path, crc32c, replaced)
        self._held = self._folder.find(OWNER_FILE)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(RENEWED_EVERY):
            try:
                self._write(self._held)
            except (DataError, OSError) as error:
                self._report(f"note: {self._folder.address}/{OWNER_FILE} was not renewed: {error}")


def _read(content: bytes | None) -> dict[str, Any]:
    """Read what an owner says; nothing where it went in between, or is damaged."""
    try:
        says = json.loads(content or b"{}")
        float(says.get("renewed", 0.0))
        return says
    except (ValueError, TypeError, AttributeError):
        return {}
