"""The folder through which a build and the workers of a Beam runner talk: jobs there, shards back.

Workers on other machines see a bucket or a shared folder and nothing else, so everything a shard
is made from lies in this one: its rows, the vocabulary, the Python files of a person's own tasks.
A file appears whole or not at all, and writing it twice writes the same bytes.
"""

import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from prep.storage import LocalPlace, Place

_REMOVALS = 16  # at a time: they wait for the network, not for a processor


class Exchange(Protocol):
    """A folder of files by name, on a disk or in a bucket."""

    def read(self, name: str) -> bytes | None:
        """Read a file; None if there is no such file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of an older one if there is one."""

    def names(self) -> set[str]:
        """List all files, by their names relative to the folder."""

    def clear(self) -> None:
        """Remove all files."""


def exchange_folder(out: Place) -> Place:
    """Say where the exchange of a build lies: hidden, beside or inside what is being built.

    Args:
        out: The dataset folder to make.

    Returns:
        Its place.
    """
    if isinstance(out, LocalPlace):
        return LocalPlace(out.path.resolve().with_name(f".{out.path.name}.beam"))
    return out / ".beam"


def open_exchange(folder: Place) -> Exchange:
    """Open an exchange.

    Args:
        folder: From `exchange_folder`.

    Returns:
        The exchange.

    Raises:
        DataError: If there are no credentials for the bucket.
    """
    if isinstance(folder, LocalPlace):
        return _LocalExchange(folder.path)
    return _BucketExchange(str(folder))


class _LocalExchange:
    """A folder on a disk.

    Args:
        folder: Where it is; made when the first file is written.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two machines may do the same job at once, under the same process id.
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(content)
        temporary.replace(path)

    def names(self) -> set[str]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return {path.relative_to(self._folder).as_posix() for path in files}

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class _BucketExchange:
    """A folder in a bucket, through Google's client: a worker then needs no TensorFlow.

    Args:
        folder: gs:// address.
    """

    def __init__(self, folder: str):
        from prep.storage.bucket import BucketFolder  # loads Google's client

        self._bucket = BucketFolder(folder)

    def read(self, name: str) -> bytes | None:
        return self._bucket.read(name)

    def write(self, name: str, content: bytes) -> None:
        self._bucket.write(name, content)

    def names(self) -> set[str]:
        return set(self._bucket.list_objects())

    def clear(self) -> None:
        with ThreadPoolExecutor(_REMOVALS) as pool:
            list(pool.map(self._bucket.remove, self._bucket.list_objects().values()))
