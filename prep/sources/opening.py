"""Files opened for reading, through their compression whatever their names say."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from prep.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, through gzip if its content is gzipped, whatever its name.

    Args:
        path: The file.

    Returns:
        A binary stream.

    Raises:
        OSError: If it cannot be opened.
    """
    file = path.open("rb")
    is_compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    if is_compressed:
        file.close()
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return file


@contextlib.contextmanager
def as_data_errors(path: Path) -> Iterator[None]:
    """Turn what decompressing and decoding raise into one line that names the file.

    Args:
        path: The file.

    Yields:
        Nothing.

    Raises:
        DataError: If the file is a corrupt or truncated gzip file, or of another encoding.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a corrupt or truncated gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not {error.encoding.upper()}: {error.reason}") from error
