"""Files opened for reading, through their compression whatever their names say."""

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from prep.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_BUFFER = 1 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, through gzip or zstd where its content is such.

    Args:
        path: The file.

    Returns:
        A binary stream.

    Raises:
        OSError: If it cannot be opened.
    """
    file = path.open("rb")
    start = file.read(len(_ZSTD_MAGIC))
    file.seek(0)
    if start.startswith(_GZIP_MAGIC):
        file.close()
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if start == _ZSTD_MAGIC:
        file.close()
        return _open_zstd(path)
    return file


def is_plain(file: IO[bytes]) -> bool:
    """Tell whether a file that `open_binary` opened is read as it lies on the disk."""
    raw = getattr(file, "raw", None)
    return isinstance(file, io.BufferedReader) and isinstance(raw, io.FileIO)


def _open_zstd(path: Path) -> IO[bytes]:
    import pyarrow  # Parquet needs it as well

    class Stream(io.RawIOBase):
        """Arrow's stream, whose end in the middle is an error of the data."""

        def __init__(self) -> None:
            self._stream = pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            try:
                content = self._stream.read(len(buffer))
            except OSError as error:
                raise DataError(f"{path} is a corrupt or truncated zstd file: {error}") from error
            buffer[: len(content)] = content
            return len(content)

    return io.BufferedReader(Stream(), _ZSTD_BUFFER)


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
