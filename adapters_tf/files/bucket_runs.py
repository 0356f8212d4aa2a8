"""Run folders in a bucket: copied to this machine as they are at one moment.

Whoever writes one uploads a checkpoint's index after its data, and what speaks of it after both. A
copy is taken whole: where anything has changed while it was made, it is made again.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.local_paths import BUCKET

TRIES = 10  # of a copy, while somebody writes
_ADDRESS = re.compile(r"gs://(?P<bucket>[a-z0-9][-_.a-z0-9]+)/(?P<prefix>.*[^/])/*")
# What the trainer keeps in a run folder, and of it what nothing is computed from.
PARTS = frozenset(
    [
        "config.yaml",
        "best.json",
        "metrics.jsonl",
        "curves.png",
        "checkpoints",
        "best",
        "adapters",
        "backbone",
        "heads",
        "frozen",
        "added",
        "logs",
    ]
)
_NOT_READ = ("metrics.jsonl", "curves.png", "added", "logs")
_SENDINGS = 4  # of one file whose bytes arrive damaged

Versions = dict[str, int]  # the generation of each object, by name below the folder


def is_in_bucket(where: object) -> bool:
    """Tell whether a place is an address of a bucket."""
    return str(where).startswith(BUCKET)


def is_of_run(name: str) -> bool:
    """Tell whether a file is the trainer's, and whole.

    Args:
        name: Below the run folder.
    """
    parts = name.split("/")
    is_partial = any(part.startswith(".") or part.endswith(("_temp", ".tmp")) for part in parts)
    return parts[0] in PARTS and not is_partial


def is_read(name: str) -> bool:
    """Tell whether a file is the trainer's, whole, and one that something is computed from.

    Args:
        name: Below the run folder.
    """
    return is_of_run(name) and name.split("/")[0] not in _NOT_READ


@contextlib.contextmanager
def local_copy(where: str, wanted: Callable[[str], bool] = is_read) -> Iterator[Path]:
    """Give a run folder as a folder of this machine.

    Args:
        where: A run folder, here or in a bucket.
        wanted: Tells by name which files of one in a bucket are copied; by default those that
            something is computed from.

    Yields:
        The folder; a copy, which is removed in the end, where it is in a bucket.

    Raises:
        ConfigurationError: An address that cannot be.
        WeightsError: The bucket does not answer, does not let us in, or changes all the time.
    """
    if not is_in_bucket(where):
        yield Path(where)
        return
    with tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / where.rstrip("/").rpartition("/")[2]
        folder.mkdir()
        copy_run(where, folder, wanted)
        yield folder


def copy_run(address: str, folder: Path, wanted: Callable[[str], bool]) -> Versions:
    """Copy a run folder of a bucket as it is at one moment.

    Args:
        address: Such as gs://bucket/runs/glue.
        folder: Where to; empty.
        wanted: Tells by name which objects are.

    Returns:
        What was copied; nothing where the bucket has no such folder.

    Raises:
        ConfigurationError: An address that cannot be.
        WeightsError: The bucket does not answer, does not let us in, or changes all the time.
    """
    matched = _ADDRESS.fullmatch(address)
    if matched is None:
        raise ConfigurationError(
            f"expected a run folder such as gs://bucket/runs/glue, got {address!r}"
        )
    with _explained(address):
        from google.cloud import storage as cloud_storage

        with contextlib.closing(cloud_storage.Client(project=None)) as client:
            found = _copy_moment(
                client.bucket(matched["bucket"]), f"{matched['prefix']}/", folder, wanted
            )
    if found is None:
        raise WeightsError(f"{address} changed {TRIES} times while it was read; try again")
    return found


def _copy_moment(
    bucket: Any, prefix: str, folder: Path, wanted: Callable[[str], bool]
) -> Versions | None:
    """Copy what is listed until a listing shows nothing else; None where it never does."""
    have: Versions = {}
    for _ in range(TRIES):
        blobs = {
            blob.name.removeprefix(prefix): blob
            for blob in bucket.list_blobs(prefix=prefix)
            if wanted(blob.name.removeprefix(prefix)) and not blob.name.endswith("/")
        }
        now = {name: blob.generation for name, blob in blobs.items()}
        if have == now:
            return now
        for name in have.keys() - now.keys():
            (folder / name).unlink()
            del have[name]
        for name in (one for one in now if have.get(one) != now[one]):
            if not _download(blobs[name], folder / name):
                break  # it has gone, or been replaced
            have[name] = now[name]
    return None


def _download(blob: Any, file: Path) -> bool:
    """Copy exactly the object that was listed; tell whether it was still there."""
    from google.api_core import exceptions as api
    from google.cloud.storage.exceptions import DataCorruption

    file.parent.mkdir(parents=True, exist_ok=True)
    for number in range(_SENDINGS):
        try:
            content = blob.download_as_bytes(checksum="crc32c", if_generation_match=blob.generation)
        except (api.NotFound, api.PreconditionFailed):
            return False
        except DataCorruption as error:
            error.response.close()
            if number + 1 == _SENDINGS:
                raise
            continue
        file.write_bytes(content)
        return True
    return False


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn whatever Google's client raises into one line."""
    import google.auth.exceptions
    import requests
    from google.api_core import exceptions as api
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except (
        api.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        requests.exceptions.RequestException,
        DataCorruption,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{address} cannot be read: {reason}") from error
