"""Files by name, on the local disk or in a bucket.

Local paths go through pathlib; a path that starts with gs:// goes through tf.io.gfile, so that
TensorFlow is imported only where a bucket is really read.
"""

from pathlib import Path
from typing import Any

StoragePath = str | Path


def is_remote(path: StoragePath) -> bool:
    """Whether the path names an object in a bucket.

    Args:
        path: Local path or gs:// address.

    Returns:
        True for gs:// addresses.
    """
    return str(path).startswith("gs://")


def join(directory: StoragePath, name: str) -> str:
    """Joins a folder and a relative name, for local folders and buckets alike.

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
    """Whether there is a file or folder of that name.

    Args:
        path: Local path or gs:// address.

    Returns:
        True when it exists.
    """
    if is_remote(path):
        return bool(_gfile().exists(str(path)))
    return Path(path).exists()


def read_bytes(path: StoragePath) -> bytes:
    """Reads a whole file.

    Args:
        path: Local path or gs:// address.

    Returns:
        The file's bytes.

    Raises:
        OSError: If it cannot be read.
    """
    if is_remote(path):
        with _gfile().GFile(str(path), "rb") as file:
            return bytes(file.read())
    return Path(path).read_bytes()


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile
