"""Files by name, on the local disk or in a bucket.

Local paths go through pathlib; a path that starts with gs:// goes through tf.io.gfile, so that
TensorFlow is imported only where a bucket is really read.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prep.storage.bucket_errors import describe_tensorflow_error

StoragePath = str | Path


def is_remote(path: StoragePath) -> bool:
    """Tell whether the path names an object in a bucket.

    Args:
        path: Local path or gs:// address.

    Returns:
        True for gs:// addresses.
    """
    return str(path).startswith("gs://")


def join(directory: StoragePath, name: str) -> str:
    """Join a folder and a relative name, for local folders and buckets alike.

    Args:
        directory: Local folder or gs:// prefix.
        name: Relative name with forward slashes.

    Returns:
        The joined path.
    """
    if is_remote(directory):
        return f"{str(directory).rstrip('/')}/{name}"
    return str(Path(directory) / name)


def exists(path: StoragePath) -> bool:
    """Tell whether there is a file or folder of that name.

    Args:
        path: Local path or gs:// address.

    Returns:
        True when it exists.

    Raises:
        DataError: If the bucket does not exist or does not let us look.
    """
    if not is_remote(path):
        return Path(path).exists()
    with explained(path):
        try:
            # Unlike tf.io.gfile.exists, this tells a missing bucket from a missing object.
            _gfile().stat(str(path))
        except _errors().NotFoundError as error:
            if "bucket does not exist" in str(error):
                raise
            return False
    return True


def read_bytes(path: StoragePath) -> bytes:
    """Read a whole file.

    Args:
        path: Local path or gs:// address.

    Returns:
        The file's bytes.

    Raises:
        OSError: If it cannot be read.
        DataError: If the bucket does not let us read it.
    """
    if not is_remote(path):
        return Path(path).read_bytes()
    with explained(path), _gfile().GFile(str(path), "rb") as file:
        return bytes(file.read())


@contextlib.contextmanager
def explained(path: StoragePath) -> Iterator[None]:
    """Turn TensorFlow's errors about a bucket into one line that tells the cause.

    Args:
        path: What is being read or written inside the block.

    Yields:
        Nothing.

    Raises:
        FileNotFoundError: If there is no such object.
        DataError: If the bucket does not exist, does not let us in, or does not answer.
    """
    if not is_remote(path):
        yield
        return
    try:
        yield
    except _errors().OpError as error:
        cause = _true_cause(error, str(path))
        if isinstance(cause, _errors().NotFoundError) and "bucket does not" not in str(cause):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise describe_tensorflow_error(cause, str(path)) from error


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
