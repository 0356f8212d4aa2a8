"""Copying a dataset folder into a bucket so that it is there whole or recognizably not there.

The manifest is what makes a folder a dataset, so it goes first and comes last: before any other
object changes, the manifest of what was there is removed, and the new one is written when a last
listing shows every file in place. Whatever happens in between leaves a folder without a manifest,
which no reader accepts; staging again uploads only what is missing or differs.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
from tqdm import tqdm

from prep.dataset.manifest import MANIFEST_FILE, Manifest, load_manifest
from prep.errors import DataError, UsageError
from prep.storage import LocalPlace, StoragePath, place_of
from prep.storage.bucket import BucketFolder, RemoteObject
from prep.storage.bucket_errors import changed_meanwhile
from prep.storage.bucket_owner import OWNER_FILE

DEFAULT_WORKERS = 8  # uploads at a time: they wait for the network, not for a processor
_READ_BYTES = 1 << 20
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class LocalFile:
    """A file to be staged.

    Attributes:
        name: Relative to the dataset folder, with forward slashes.
        path: Where it is.
        bytes: Its size.
        crc32c: Its checksum, eight hexadecimal digits.
    """

    name: str
    path: Path
    bytes: int
    crc32c: str

    def is_same(self, present: RemoteObject | None) -> bool:
        """Tell whether the bucket already has this content.

        Args:
            present: The object of that name, None if there is none.

        Returns:
            True if size and checksum agree.
        """
        return present is not None and (present.bytes, present.crc32c) == (self.bytes, self.crc32c)


@dataclass(frozen=True)
class StagingSummary:
    """What staging did.

    Attributes:
        files: Files of the dataset, the manifest included.
        uploaded: Those that were sent.
        uploaded_bytes: Their size.
        foreign: Objects under the prefix that are none of this dataset's; they were left alone.
    """

    files: int
    uploaded: int
    uploaded_bytes: int
    foreign: int


def stage_dataset(
    directory: StoragePath,
    address: str,
    workers: int = DEFAULT_WORKERS,
    give_up_after: float | None = None,
) -> StagingSummary:
    """Make a folder of a bucket equal to a local dataset folder.

    Args:
        directory: The local dataset folder.
        address: Where it shall be, such as gs://bucket/prefix.
        workers: Uploads at a time.
        give_up_after: Seconds without progress; None: five minutes for each request.

    Returns:
        What was done.

    Raises:
        UsageError: If the address is none, or the folder is not local.
        DataError: If the folder is not a sound dataset, or the bucket refuses or does not answer;
            it tells what was sent and what is missing.
        OSError: If a file cannot be read.
    """
    place = place_of(directory)
    if not isinstance(place, LocalPlace):
        raise UsageError(f"only a local folder can be staged, not {directory}")
    if workers < 1:
        raise UsageError(f"`workers` is {workers}; it must be >= 1")
    if give_up_after is not None and not 0 < give_up_after < math.inf:
        raise UsageError(f"`give_up_after` is {give_up_after:g}; it must be > 0, in seconds")
    with BucketFolder(address, give_up_after) as folder, ThreadPoolExecutor(workers) as pool:
        *files, manifest = _describe_files(place.path, pool)
        present = folder.list_objects()
        changed = [file for file in files if not file.is_same(present.get(file.name))]
        if changed or not manifest.is_same(present.get(MANIFEST_FILE)):
            if MANIFEST_FILE in present:
                folder.remove(present[MANIFEST_FILE])
            _upload(folder, changed, present, pool)
            _check_all_there(folder, files)
            folder.upload(MANIFEST_FILE, manifest.path, manifest.crc32c, None)
            changed.append(manifest)
    names = {file.name for file in files} | {MANIFEST_FILE}
    return StagingSummary(
        files=len(names),
        uploaded=len(changed),
        uploaded_bytes=sum(file.bytes for file in changed),
        foreign=len(present.keys() - names - {OWNER_FILE}),
    )


def _describe_files(directory: Path, pool: ThreadPoolExecutor) -> list[LocalFile]:
    """List a dataset folder's files with their checksums, the manifest last.

    A folder that does not agree with its own manifest is refused before anything is sent.
    """
    manifest = load_manifest(directory)
    expected = _expected_checksums(manifest)
    paths = {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    for name in [*expected, manifest.vocabulary.file]:
        if name not in paths:
            raise DataError(f"{directory / name} is missing; build the dataset again")
    _check_vocabulary(directory, manifest)
    names = [*(name for name in paths if name != MANIFEST_FILE), MANIFEST_FILE]
    files = list(pool.map(describe_file, names, (paths[name] for name in names)))
    for file in files:
        if file.crc32c != expected.get(file.name, file.crc32c):
            raise DataError(
                f"{file.path} is corrupt: crc32c {file.crc32c}, the manifest says"
                f" {expected[file.name]}; build the dataset again"
            )
    return files


def _expected_checksums(manifest: Manifest) -> Mapping[str, str]:
    splits = (split for task in manifest.tasks.values() for split in task.splits.values())
    return {shard.file: shard.crc32c for split in splits for shard in split.shards}


def _check_vocabulary(directory: Path, manifest: Manifest) -> None:
    path = directory / manifest.vocabulary.file
    if hashlib.sha256(path.read_bytes()).hexdigest() != manifest.vocabulary.sha256:
        raise DataError(f"{path} is not the vocabulary the dataset was built with; build it again")


def describe_file(name: str, path: Path) -> LocalFile:
    """Measure a file, block by block.

    Args:
        name: Relative to the dataset folder.
        path: Where it is.

    Returns:
        The file with its size and checksum.

    Raises:
        OSError: If it cannot be read.
    """
    checksum = google_crc32c.Checksum()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            checksum.update(block)
            size += len(block)
    return LocalFile(name, path, size, checksum.digest().hex())


def _upload(
    folder: BucketFolder,
    files: Sequence[LocalFile],
    present: Mapping[str, RemoteObject],
    pool: ThreadPoolExecutor,
) -> None:
    """Send files side by side; the first failure ends it, those under way are waited for."""
    uploads = {
        pool.submit(folder.upload, file.name, file.path, file.crc32c, present.get(file.name)): file
        for file in files
    }
    total = sum(file.bytes for file in files)
    with tqdm(total=total, unit="B", unit_scale=True, desc="staging", disable=None) as progress:
        try:
            for upload in as_completed(uploads):
                upload.result()
                progress.update(uploads[upload].bytes)
        except DataError as error:
            _cancel(uploads)
            raise DataError(f"{error}; {_describe_missing(uploads)}") from error
        finally:
            _cancel(uploads)


def _cancel(uploads: Mapping[Future[None], LocalFile]) -> None:
    """Begin no further upload, and wait for those under way."""
    for upload in uploads:
        upload.cancel()
    wait(uploads)


def _describe_missing(uploads: Mapping[Future[None], LocalFile]) -> str:
    missing = [
        file.name
        for upload, file in uploads.items()
        if upload.cancelled() or upload.exception() is not None
    ]
    names = ", ".join(missing[:_NAMES_SHOWN]) + " …" * (len(missing) > _NAMES_SHOWN)
    return (
        f"{len(uploads) - len(missing):,} of {len(uploads):,} files were sent; missing, besides the"
        f" manifest: {names}; the same command goes on"
    )


def _check_all_there(folder: BucketFolder, files: Iterable[LocalFile]) -> None:
    """Look once more before the manifest vouches for everything: others write to buckets too."""
    present = folder.list_objects()
    for file in files:
        if not file.is_same(present.get(file.name)):
            raise changed_meanwhile(f"{folder.address}/{file.name}")


def describe_staging(summary: StagingSummary, address: str) -> Iterator[str]:
    """Say what staging did.

    Args:
        summary: What it did.
        address: Where to.

    Yields:
        Lines to print.
    """
    if summary.foreign:
        yield f"note: {summary.foreign:,} other objects are there too, not of this dataset"
    if not summary.uploaded:
        yield f"{address} already holds this dataset ({summary.files:,} files); nothing to do"
        return
    yield (
        f"{address}: {summary.uploaded:,} of {summary.files:,} files uploaded,"
        f" {summary.uploaded_bytes:,} bytes"
    )
