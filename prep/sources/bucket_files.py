"""Raw files in a bucket: copied to a cache on this machine, once, and read from there.

A file is read several times (counted, fingerprinted, divided among workers), so a copy is cheaper
than three downloads; its size and crc32c are compared with the bucket's at every build.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from prep.errors import DataError
from prep.sources.declarations import COMPRESSIONS, FileSource, is_pattern

if TYPE_CHECKING:
    from prep.storage.bucket import RemoteObject

_CACHE = "prep-sources"
_READ_BYTES = 1 << 20


def fetch_sources(task: str, source: FileSource, address: str) -> Path:
    """Copy the files of the first layout that is complete in a bucket.

    Args:
        task: Name of the task, for error messages.
        source: Its declared folders and layouts.
        address: Of the data folder, such as gs://bucket/raw; it holds a folder per task.

    Returns:
        A local data folder that has these files.

    Raises:
        DataError: If no layout is complete, or the bucket does not let us read.
        OSError: If the disk refuses.
    """
    from prep.storage.bucket import BucketFolder  # loads Google's client

    cache = cache_folder(address)
    present: dict[str, dict[str, RemoteObject]] = {}
    for folder in source.folders:
        with BucketFolder(f"{address.rstrip('/')}/{folder}") as bucket:
            present[folder] = bucket.list_objects()
    for layout, folder in itertools.product(source.layouts, source.folders):
        wanted = [
            _objects_of(name, present[folder])
            for spec in layout.files.values()
            for name in spec.names
        ]
        if all(wanted):
            _forget_removed(cache / folder, present[folder])
            with BucketFolder(f"{address.rstrip('/')}/{folder}") as bucket:
                for found in itertools.chain.from_iterable(wanted):
                    target = cache / folder / found.name
                    if not _is_same(target, found):
                        bucket.download(found.name, target)
            return cache
    looked_for = (
        f"{folder}/{spec.name}"
        for layout, folder in itertools.product(source.layouts, source.folders)
        for spec in layout.files.values()
    )
    raise DataError(
        f"task {task!r}: its files are not below {address}; looked for "
        + ", ".join(dict.fromkeys(looked_for))
    )


def cache_folder(address: str) -> Path:
    """Say where copies of a bucket's files are kept.

    Args:
        address: Such as gs://bucket/raw.

    Returns:
        A folder below $XDG_CACHE_HOME, or ~/.cache.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, _CACHE, *address.removeprefix("gs://").strip("/").split("/"))


def _objects_of(name: str, present: Mapping[str, RemoteObject]) -> list[RemoteObject]:
    """Pick the object of a file, compressed or not, or all objects of a folder."""
    if is_pattern(name) and name not in present:
        depth = name.count("/")  # which no "*" goes beyond
        return [
            present[key]
            for key in sorted(present)
            if key.count("/") == depth
            and fnmatch.fnmatchcase(key, name)
            and not key.rpartition("/")[2].startswith(".")
        ]
    for candidate in (name, *(f"{name}{suffix}" for suffix in COMPRESSIONS)):
        if candidate in present:
            return [present[candidate]]
    return [found for key, found in present.items() if key.startswith(f"{name}/")]


def _forget_removed(folder: Path, present: Mapping[str, RemoteObject]) -> None:
    """Delete copies of what the bucket no longer has, or a pattern would still find them."""
    for path in folder.rglob("*"):
        is_copy = path.is_file() and not path.name.startswith(".")
        if is_copy and path.relative_to(folder).as_posix() not in present:
            path.unlink()


def _is_same(path: Path, found: RemoteObject) -> bool:
    if not path.is_file() or path.stat().st_size != found.bytes:
        return False
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            checksum.update(chunk)
    return checksum.digest().hex() == found.crc32c
