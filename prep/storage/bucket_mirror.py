"""A folder of this machine that a bucket follows, such that a reader never sees half of a change.

Each object appears whole. What files there are is taken in at one moment; then what others speak of
is sent before what speaks of it, as the caller orders them, and what is gone is removed last. Every
write names the generation that it replaces: a second writer is noticed, not overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import google_crc32c

from prep.errors import DataError
from prep.storage.bucket import BucketFolder, RemoteObject

Stamp = tuple[int, int, int]  # of a file: when it changed, its size and its number


class BucketMirror:
    """Sends a folder's changes to a bucket.

    Args:
        folder: In the bucket; nobody else may write there meanwhile.
        local: The folder that it follows; what it holds now is what the bucket has.
        order: What comes first is sent first: of a file's name, a number.
        is_ours: Tells by name what is sent, and removed.
    """

    def __init__(
        self,
        folder: BucketFolder,
        local: Path,
        order: Callable[[str], int],
        is_ours: Callable[[str], bool],
    ):
        self.folder, self.local, self.order, self.is_ours = folder, local, order, is_ours
        self._present = folder.list_objects()
        self._sent = {name: stamp for name, stamp in self._stamps() if name in self._present}

    def push(self) -> int:
        """Send what has changed since the last time.

        Returns:
            How many objects were sent or removed.

        Raises:
            DataError: The bucket refuses, does not answer, or somebody else writes there.
        """
        now = dict(self._stamps())
        changed = [name for name, stamp in now.items() if self._sent.get(name) != stamp]
        for name in sorted(changed, key=self.order):
            self._send(name)
            self._sent[name] = now[name]
        gone = [name for name in self._sent if name not in now]
        for name in sorted(gone, key=self.order, reverse=True):
            if (present := self._present.pop(name, None)) is not None:
                self.folder.remove(present)
            del self._sent[name]
        return len(changed) + len(gone)

    def _send(self, name: str) -> None:
        file = self.local / name
        crc32c = checksum(file)
        present = self._present.get(name)
        if present is not None and (present.bytes, present.crc32c) == (file.stat().st_size, crc32c):
            return
        self.folder.upload(name, file, crc32c, present)
        self._present[name] = _found(self.folder, name)

    def _stamps(self) -> Iterable[tuple[str, Stamp]]:
        for file in sorted(self.local.rglob("*")):
            name = file.relative_to(self.local).as_posix()
            if file.is_file() and self.is_ours(name):
                status = file.stat()
                yield name, (status.st_mtime_ns, status.st_size, status.st_ino)


def checksum(file: Path) -> str:
    """Compute a file's CRC32C, as eight hexadecimal digits."""
    value = google_crc32c.Checksum()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            value.update(block)
    return value.hexdigest().decode()


def _found(folder: BucketFolder, name: str) -> RemoteObject:
    present = folder.find(name)
    if present is None:
        raise DataError(f"{folder.address}/{name} was removed by somebody else as it was written")
    return present
