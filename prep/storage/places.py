"""A place, on a disk or in a bucket: one object, made once, with what can be done there.

Local files go through pathlib; those of a bucket go through tf.io.gfile, so that TensorFlow is
imported only where a bucket is really read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from prep.errors import UsageError
from prep.storage.bucket_errors import describe_tensorflow_error

SCHEME = "gs://"
# Any address; with a slash or two, for pathlib makes one of them.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


class Place(ABC):
    """A file or folder by name. Its text is what a person typed, or would type."""

    is_remote: ClassVar[bool]
    # How often a file is read before it is called corrupt: what comes from a bucket may have been
    # damaged on the way, which TensorFlow does not notice.
    readings: ClassVar[int]

    @abstractmethod
    def __truediv__(self, name: str) -> Place:
        """Name a file or folder inside, by its relative name with forward slashes."""

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether there is a file or folder of that name.

        Returns:
            True when it exists.

        Raises:
            DataError: If the bucket does not exist or does not let us look.
        """

    @abstractmethod
    def read_bytes(self) -> bytes:
        """Read a whole file.

        Returns:
            The file's bytes.

        Raises:
            OSError: If it cannot be read; FileNotFoundError if there is no such file.
            DataError: If the bucket does not exist, does not let us in, or does not answer.
        """


@dataclass(frozen=True)
class LocalPlace(Place):
    """A place on a disk.

    Attributes:
        path: Where it is.
    """

    path: Path

    is_remote: ClassVar[bool] = False
    readings: ClassVar[int] = 1

    def __truediv__(self, name: str) -> LocalPlace:
        return LocalPlace(self.path / name)

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Tell whether there is a file or folder of that name."""
        return self.path.exists()

    def read_bytes(self) -> bytes:
        """Read a whole file."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class BucketPlace(Place):
    """A place in a bucket of Google Cloud Storage.

    Attributes:
        address: Such as gs://bucket/prefix.
    """

    address: str

    is_remote: ClassVar[bool] = True
    readings: ClassVar[int] = 3

    def __truediv__(self, name: str) -> BucketPlace:
        return BucketPlace(f"{self.address.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.address

    def exists(self) -> bool:
        """Tell whether there is an object of that name."""
        with self.explained():
            try:
                # Unlike tf.io.gfile.exists, this tells a missing bucket from a missing object.
                _gfile().stat(self.address)
            except _errors().NotFoundError as error:
                if "bucket does not exist" in str(error):
                    raise
                return False
        return True

    def read_bytes(self) -> bytes:
        """Read a whole object."""
        with self.explained(), _gfile().GFile(self.address, "rb") as file:
            return bytes(file.read())

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn TensorFlow's errors about the bucket into one line that tells the cause.

        Yields:
            Nothing.

        Raises:
            FileNotFoundError: If there is no such object.
            DataError: If the bucket does not exist, does not let us in, or does not answer.
        """
        try:
            yield
        except _errors().OpError as error:
            cause = _true_cause(error, self.address)
            if isinstance(cause, _errors().NotFoundError) and "bucket does not" not in str(cause):
                missing = os.strerror(errno.ENOENT)
                raise FileNotFoundError(errno.ENOENT, missing, self.address) from error
            raise describe_tensorflow_error(cause, self.address) from error


# What a caller may give for a place.
StoragePath = str | Path | Place


def place_of(where: StoragePath) -> Place:
    """Make the place that a text, or a path, names.

    Args:
        where: A local path or a gs:// address; a place stays what it is.

    Returns:
        The place.

    Raises:
        UsageError: It is another address.
    """
    if isinstance(where, Place):
        return where
    if str(where).startswith(SCHEME):
        return BucketPlace(str(where))
    if _ADDRESS.match(str(where)):
        raise UsageError(f"'{where}' cannot be read; expected a local place or gs://bucket/…")
    return LocalPlace(local_path(where))


def local_path(where: str | Path) -> Path:
    """Read a place on this machine, as a person types it.

    Args:
        where: A path; ~ is the home folder.

    Returns:
        The path.

    Raises:
        UsageError: It is an address, such as gs://bucket, or of an unknown user's home.
    """
    if _ADDRESS.match(str(where)):
        raise UsageError(f"'{where}' is an address; expected a folder or file of this machine")
    try:
        return Path(where).expanduser()
    except RuntimeError:
        raise UsageError(f"'{where}': there is no such user") from None


def _true_cause(error: Exception, path: str) -> Exception:
    """Ask again where TensorFlow hides the cause.

    Its listing says "Could not find directory" also when the service answered 401 or 403; the
    same question about a single object is answered truthfully.
    """
    if "Could not find directory" in str(error):
        try:
            _gfile().stat(path)
        except _errors().OpError as cause:
            return cause
    return error


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


def _errors() -> Any:
    import tensorflow as tf

    return tf.errors
