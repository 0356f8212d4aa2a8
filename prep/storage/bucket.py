"""A folder in a bucket, as staging sees it: list, read, upload and remove, never blindly.

Every write names the generation of the object it replaces (0: none), so that two who stage at once
cannot overwrite each other unseen, and a request that is repeated because its answer was lost can
be told from a conflict: the object then holds what we sent.
https://cloud.google.com/storage/docs/request-preconditions
"""

import base64
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google.auth.exceptions
import requests
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.cloud import storage as cloud_storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from prep.errors import DataError, UsageError
from prep.storage.bucket_errors import changed_meanwhile, describe_google_error, wrong_key_file

RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=30.0).with_timeout(300.0)  # seconds
_SENDINGS = 4  # of one file whose bytes arrive damaged
_ADDRESS = re.compile(r"gs://(?P<bucket>[a-z0-9][-_.a-z0-9]+)(?:/(?P<prefix>.*))?")


@dataclass(frozen=True)
class RemoteObject:
    """An object as the bucket lists it.

    Attributes:
        name: Relative to the folder.
        bytes: Its size.
        crc32c: Its checksum, eight hexadecimal digits.
        generation: Which of the contents that ever had this name.
    """

    name: str
    bytes: int
    crc32c: str
    generation: int


class BucketFolder:
    """All objects under a prefix of a bucket. Safe to use from several threads.

    Making one asks nothing of the bucket yet.

    Args:
        address: Such as gs://bucket/prefix.
        give_up_after: Seconds without progress after which no request is repeated any more; None:
            those of `RETRY`, for each request anew.

    Raises:
        UsageError: If it is no such address.
        DataError: If there are no credentials, or the key file is wrong.
    """

    def __init__(self, address: str, give_up_after: float | None = None):
        matched = _ADDRESS.fullmatch(address)
        if matched is None:
            raise UsageError(f"expected an address such as gs://bucket/prefix, got {address!r}")
        self.address = address.rstrip("/")
        self._patience = give_up_after
        self._progressed = time.monotonic()
        self._prefix = "".join(
            f"{part}/" for part in [(matched["prefix"] or "").strip("/")] if part
        )
        self._client = _make_client(self.address)
        self._bucket = self._client.bucket(matched["bucket"])

    def __enter__(self) -> "BucketFolder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def list_objects(self) -> dict[str, RemoteObject]:
        """List what is in the folder.

        Returns:
            The objects by name relative to the folder.

        Raises:
            DataError: If there is no such bucket or no permission to list it.
        """
        with self._asking(self.address):
            blobs = self._client.list_blobs(self._bucket, prefix=self._prefix, retry=self._retry())
            found = (self._describe(blob) for blob in blobs)
            return {described.name: described for described in found}

    def read(self, name: str) -> bytes | None:
        """Read an object, comparing its checksum.

        Args:
            name: Relative to the folder.

        Returns:
            Its content, None if there is no such object.

        Raises:
            DataError: If there is no such bucket or no permission, or it keeps arriving damaged.
        """
        address = f"{self.address}/{name}"
        with self._asking(address):
            for _ in range(_SENDINGS):
                try:
                    return self._blob(name).download_as_bytes(
                        checksum="crc32c", retry=self._retry()
                    )
                except DataCorruption:
                    continue
                except api.NotFound as error:
                    if "No such object" in str(error):
                        return None
                    raise
        raise DataError(f"{address} arrived damaged {_SENDINGS} times")

    def download(self, name: str, path: Path) -> None:
        """Copy an object to a file, which is there whole or not at all.

        Args:
            name: Relative to the folder.
            path: The file to write; its folder is made.

        Raises:
            DataError: If there is no such object or no permission, or it keeps arriving damaged.
            OSError: If the disk refuses.
        """
        address = f"{self.address}/{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        with self._asking(address):
            for _ in range(_SENDINGS):
                try:
                    self._blob(name).download_to_filename(
                        str(partial), checksum="crc32c", retry=self._retry()
                    )
                except DataCorruption:
                    continue
                partial.replace(path)
                return
        raise DataError(f"{address} arrived damaged {_SENDINGS} times")

    def upload(self, name: str, path: Path, crc32c: str, replaced: RemoteObject | None) -> None:
        """Write an object, in place of exactly the one that was seen there, or of none.

        Args:
            name: Relative to the folder.
            path: The file to send.
            crc32c: Its checksum, eight hexadecimal digits.
            replaced: What the bucket had under this name, None if nothing.

        Raises:
            DataError: If another content has appeared there meanwhile, or the bucket refuses.
            OSError: If the file cannot be read.
        """
        address = f"{self.address}/{name}"
        generation = replaced.generation if replaced else 0
        with self._asking(address):
            for _ in range(_SENDINGS):
                failure = self._send(name, path, crc32c, generation)
                if failure is None:
                    return
                present = self.find(name)
                if present is not None and present.crc32c == crc32c:
                    return  # an earlier request did arrive, only its answer was lost
                if isinstance(failure, api.PreconditionFailed):
                    raise changed_meanwhile(address)
                if isinstance(failure, DataCorruption):  # the client has removed what arrived
                    generation = present.generation if present else 0
        raise DataError(f"{address} arrived damaged {_SENDINGS} times")

    def write(self, name: str, content: bytes) -> None:
        """Write an object whatever was there: for files that only one program ever writes.

        Args:
            name: Relative to the folder.
            content: Its bytes.

        Raises:
            DataError: If there is no such bucket or no permission, or it keeps arriving damaged.
        """
        address = f"{self.address}/{name}"
        with self._asking(address):
            for _ in range(_SENDINGS):
                with contextlib.suppress(DataCorruption):
                    self._blob(name).upload_from_string(
                        content,
                        content_type="application/octet-stream",
                        checksum="crc32c",
                        retry=self._retry(),
                    )
                    return
        raise DataError(f"{address} arrived damaged {_SENDINGS} times")

    def remove(self, removed: RemoteObject) -> None:
        """Remove an object if it is still the one that was seen; none there is fine.

        Args:
            removed: The object.

        Raises:
            DataError: If another content has appeared there meanwhile, or the bucket refuses.
        """
        address = f"{self.address}/{removed.name}"
        with self._asking(address):
            try:
                self._blob(removed.name).delete(
                    if_generation_match=removed.generation, retry=self._retry()
                )
            except (api.NotFound, api.PreconditionFailed):
                # After a lost answer the object is gone: that is what was asked.
                if self.find(removed.name) is not None:
                    raise changed_meanwhile(address) from None

    def find(self, name: str) -> RemoteObject | None:
        """Look an object up.

        Args:
            name: Relative to the folder.

        Returns:
            The object, None if there is none.

        Raises:
            DataError: If the bucket does not let us read.
        """
        with self._asking(f"{self.address}/{name}"):
            blob = self._bucket.get_blob(self._prefix + name, retry=self._retry())
            return None if blob is None else self._describe(blob)

    def _retry(self) -> Retry:
        """Say how long to repeat a request: until there was no progress for too long."""
        if self._patience is None:
            return RETRY
        left = self._progressed + self._patience - time.monotonic()
        return RETRY.with_timeout(max(left, 0.0))

    @contextlib.contextmanager
    def _asking(self, address: str) -> Iterator[None]:
        """Turn whatever the client raises into one line; what succeeds is progress."""
        with _explained(address):
            yield
        self._progressed = time.monotonic()

    def _send(self, name: str, path: Path, crc32c: str, generation: int) -> Exception | None:
        """Upload once; return the refusals that call for a second look."""
        checksum = base64.b64encode(bytes.fromhex(crc32c)).decode()
        blob = self._blob(name)
        try:
            blob.upload_from_filename(
                str(path),
                content_type="application/octet-stream",
                if_generation_match=generation,
                checksum="crc32c",
                retry=self._retry(),
            )
        except (api.PreconditionFailed, DataCorruption) as error:
            return error
        except api.BadRequest as error:
            if "crc32c" not in error.message.lower():
                raise
            return error
        if blob.crc32c != checksum:
            raise DataError(f"{path} was changed while it was being staged; stage again")
        return None

    def _blob(self, name: str) -> cloud_storage.Blob:
        return self._bucket.blob(self._prefix + name)

    def _describe(self, blob: cloud_storage.Blob) -> RemoteObject:
        return RemoteObject(
            name=blob.name[len(self._prefix) :],
            bytes=blob.size,
            crc32c=base64.b64decode(blob.crc32c).hex(),
            generation=blob.generation,
        )


def _make_client(address: str) -> cloud_storage.Client:
    """Find credentials; the project plays no part in reading and writing objects."""
    with _explained(address):
        try:
            return cloud_storage.Client(project=None)
        except AttributeError as error:  # google-auth takes any JSON for an object
            raise wrong_key_file("it is no JSON object") from error


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn whatever the client raises into one line."""
    try:
        yield
    except (
        api.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        requests.exceptions.RequestException,
    ) as error:
        raise describe_google_error(error, address) from error
