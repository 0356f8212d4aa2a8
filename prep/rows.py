"""Files → blocks of rows → rows, streaming: no more than one block per worker is ever in memory.

The reading process only finds where rows begin and end; decoding and parsing, which cost more,
happen wherever the block is sent, and so does the reading of plain files of lines. Only CSV, where
a quoted field may hold line feeds, is parsed on the reading side.
"""

import contextlib
import csv
import dataclasses
import gzip
import io
import itertools
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from prep.errors import DataError, UsageError
from prep.file_ranges import FileRange, find_lines
from prep.sources import FileSpec, Row
from prep.task import RowError

_TABLE_ROWS = 1024  # rows of a Parquet file decoded at a time
_LINE_FORMATS = ("tsv", "jsonl", "lines")
_FOLDER_COLUMNS = ("text", "file", "folder")  # of a folder of .txt files
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONE_SURROGATES = range(0xDC80, 0xDD00)  # how "surrogateescape" shows undecodable bytes

_decode_json = json.JSONDecoder().raw_decode
csv.field_size_limit(sys.maxsize)  # the default rejects fields beyond 128 KiB


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one file, or of one generated split, not parsed yet.

    Attributes:
        file: The file's name, for reports.
        first_row: Number of the block's first row in the file: from 1, the header counted.
        first_index: The same from 0 and without the header.
        count: Rows in the block.
        columns: Names of the columns, where rows are columns.
        spec: How the file is laid out; None for generated rows.
        payload: Where the lines lie, lines as bytes, rows as lists of texts (CSV), or finished
            rows.
    """

    file: str
    first_row: int
    first_index: int
    count: int
    columns: tuple[str, ...]
    spec: FileSpec | None
    payload: FileRange | bytes | Sequence[list[str]] | Sequence[Row]

    def load(self) -> "Block":
        """Reads the lines of a block that only says where they lie.

        Returns:
            The block, with everything in memory.

        Raises:
            DataError: If the file cannot be read, or has become shorter.
        """
        if isinstance(self.payload, FileRange):
            return dataclasses.replace(self, payload=self.payload.read())
        return self


def read_blocks(path: Path, spec: FileSpec, rows_per_block: int) -> Iterator[Block]:
    """Streams a file as blocks of rows.

    Args:
        path: The file, plain or gzipped.
        spec: How it is laid out.
        rows_per_block: Rows in every block but the last.

    Yields:
        Blocks, in order.

    Raises:
        DataError: If the file is empty or its compressed data corrupt.
        OSError: If it cannot be read.
    """
    if spec.format == "folder":
        columns = tuple(spec.rename.get(name, name) for name in _FOLDER_COLUMNS)
        for block in rows_as_blocks(_folder_rows(path, spec), rows_per_block, path.name):
            yield dataclasses.replace(block, columns=columns, spec=spec)
        return
    with _as_data_errors(path), open_binary(path) as file:
        units = _units(file, spec, path)
        columns = _take_columns(units, spec, path)
        header_rows = int(spec.has_columns and not spec.columns)
        parts: Iterator[tuple[Any, int]] = _cut(units, rows_per_block)
        if spec.format in _LINE_FORMATS and not isinstance(file, gzip.GzipFile):
            parts = find_lines(path, file.tell(), rows_per_block)
        index = 0
        for payload, count in parts:
            yield Block(path.name, index + 1 + header_rows, index, count, columns, spec, payload)
            index += count


def rows_as_blocks(rows: Iterable[Any], rows_per_block: int, name: str) -> Iterator[Block]:
    """Cuts generated rows into blocks.

    Args:
        rows: The rows of one split.
        rows_per_block: Rows in every block but the last.
        name: What to call their origin in reports.

    Yields:
        Blocks, in order.
    """
    remaining = iter(rows)
    index = 0
    while part := list(itertools.islice(remaining, rows_per_block)):
        yield Block(name, index + 1, index, len(part), (), None, part)
        index += len(part)


def parse_block(block: Block) -> Iterator[Row | RowError]:
    """Parses the rows of a block.

    Args:
        block: The block.

    Returns:
        One row, or the reason why it is none, for every row of the block.
    """
    payload = block.load().payload
    if block.spec is None:
        return iter(cast("Sequence[Row]", payload))
    if isinstance(payload, bytes):
        return _parse_lines(payload, block.spec, block.columns)
    if block.spec.format not in ("csv", "folder"):
        return rename_fields(cast("Sequence[Row]", payload), block.spec.rename)
    rows = cast("Sequence[list[str]]", payload)
    return (_from_columns(values, block.columns) for values in rows)


def rename_fields(rows: Iterable[Row], names: Mapping[str, str]) -> Iterator[Row]:
    """Gives fields the names that the task has for them.

    Args:
        rows: The rows.
        names: Their names → the task's; the others stay.

    Returns:
        The rows, renamed.
    """
    if not names:
        return iter(rows)
    return ({names.get(name, name): value for name, value in row.items()} for row in rows)


def row_keys(block: Block) -> list[bytes]:
    """Returns the raw content of each row, to tell equal rows.

    Args:
        block: The block.

    Returns:
        One bytes object per row.
    """
    payload = block.load().payload
    if isinstance(payload, bytes):
        return payload.removesuffix(b"\n").split(b"\n")
    return [repr(row).encode("utf-8", "surrogateescape") for row in cast("Sequence", payload)]


def columns_of(path: Path, spec: FileSpec) -> tuple[str, ...]:
    """Finds out which fields a file has, from its header or its first row.

    Args:
        path: The file.
        spec: How it is laid out.

    Returns:
        Names of the fields; empty if the first row of a JSON Lines file is no object.

    Raises:
        DataError: If the file has no rows at all.
    """
    first = next(read_blocks(path, spec, 1), None)
    if first is None:
        raise DataError(f"{path} has no rows")
    if first.columns:
        return first.columns
    row = next(parse_block(first))
    return () if isinstance(row, RowError) else tuple(row)


def open_binary(path: Path) -> IO[bytes]:
    """Opens a file for reading bytes, through gzip if its content is gzipped, whatever its name.

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
def _as_data_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a corrupt or truncated gzip file: {error}") from error


def _units(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Any]:
    """The file in pieces of one row each: lines as bytes, CSV rows as texts, or whole rows."""
    if spec.format == "csv":
        return _csv_rows(file, spec)
    if spec.format == "json":
        return _document_rows(file, spec, path)
    if spec.format == "parquet":
        return _table_rows(file, path)
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
    return file


def _cut(units: Iterator[Any], rows_per_block: int) -> Iterator[tuple[Any, int]]:
    """Takes pieces of a file together, as what a block holds and how many rows that is."""
    while taken := list(itertools.islice(units, rows_per_block)):
        yield b"".join(taken) if isinstance(taken[0], bytes) else taken, len(taken)


def text_files(folder: Path) -> list[Path]:
    """Lists the .txt files of a folder.

    Args:
        folder: Where they are.

    Returns:
        The files by name; numbers in names count as numbers do.
    """
    parts = re.compile(r"(\d+)")
    return sorted(
        folder.glob("*.txt"),
        key=lambda file: [
            (int(part), "") if part.isdecimal() else (-1, part) for part in parts.split(file.name)
        ],
    )


def _folder_rows(folder: Path, spec: FileSpec) -> Iterator[list[str]]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder of .txt files")
    for file in text_files(folder):
        content = file.read_bytes().removeprefix(_BYTE_ORDER_MARK)
        yield [content.decode(spec.encoding, "surrogateescape"), file.name, folder.name]


def _document_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Row]:
    try:
        document = json.loads(file.read())
    except ValueError as error:
        raise DataError(f"{path} is not a JSON document: {error}") from error
    rows: Iterator[Row] = iter(document if isinstance(document, list) else [document])
    for key in spec.records:
        rows = _descend(rows, key, path)
    return rows


def _descend(rows: Iterator[Row], key: str, path: Path) -> Iterator[Row]:
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(key), list):
            raise DataError(f"{path}: expected an object with a list {key!r}")
        outer = {name: value for name, value in row.items() if name != key}
        yield from ({**outer, **inner} for inner in row[key])


def _table_rows(file: IO[bytes], path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(f"{path}: reading Parquet needs `pip install pyarrow`") from error
    try:
        for batch in parquet.ParquetFile(file).iter_batches(_TABLE_ROWS):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is not a sound Parquet file: {error}") from error


def _csv_rows(file: IO[bytes], spec: FileSpec) -> Iterator[list[str]]:
    encoding = "utf-8-sig" if spec.encoding == "utf-8" else spec.encoding
    text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="")
    return csv.reader(text, delimiter=spec.separator)


def _take_columns(units: Iterator, spec: FileSpec, path: Path) -> tuple[str, ...]:
    """Returns the column names, taking the header off the stream where there is one."""
    if spec.columns or not spec.has_columns:
        return spec.columns
    header = next(units, None)
    if header is None:
        raise DataError(f"{path} is empty: expected a header and rows")
    if spec.format != "csv":
        header = header.decode(spec.encoding, "replace").rstrip("\r\n").split(spec.separator)
    names = (name.strip() for name in header)
    return tuple(spec.rename.get(name, name) for name in names)


def _parse_lines(
    payload: bytes, spec: FileSpec, columns: tuple[str, ...]
) -> Iterator[Row | RowError]:
    text, is_clean = _decode(payload, spec.encoding)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    is_tsv, width = spec.format == "tsv", len(columns)
    separator = spec.separator if is_tsv else ""
    parse = _parse_json if spec.format == "jsonl" else _bare_line
    for line in text.removesuffix("\n").split("\n"):
        if not line:
            yield RowError("blank line")
        elif not is_clean and _has_lone_surrogate(line):
            yield _undecodable(line, spec.encoding)
        elif is_tsv:
            values = line.split(separator)
            if len(values) == width:
                yield dict(zip(columns, values))  # noqa: B905 - strict costs a tenth of the loop
            else:
                yield _wrong_width(values, columns)
        elif spec.rename and spec.format == "jsonl":
            yield _renamed(parse(line), spec.rename)
        else:
            yield parse(line)


def _renamed(row: Row | RowError, names: Mapping[str, str]) -> Row | RowError:
    return row if isinstance(row, RowError) else next(rename_fields([row], names))


def _bare_line(line: str) -> Row:
    return {"line": line}


def _decode(payload: bytes, encoding: str) -> tuple[str, bool]:
    try:
        return payload.decode(encoding), True
    except UnicodeDecodeError:
        return payload.decode(encoding, "surrogateescape"), False


def _from_columns(values: list[str], columns: tuple[str, ...]) -> Row | RowError:
    if not values:
        return RowError("blank line")
    if any(map(_has_lone_surrogate, values)):
        return _undecodable("".join(values), "utf-8")
    if len(values) != len(columns):
        return _wrong_width(values, columns)
    return dict(zip(columns, values, strict=True))


def _has_lone_surrogate(text: str) -> bool:
    return not text.isascii() and any(ord(character) in _LONE_SURROGATES for character in text)


def _undecodable(line: str, encoding: str) -> RowError:
    place, byte = next(
        (place, ord(character) - 0xDC00)
        for place, character in enumerate(line)
        if ord(character) in _LONE_SURROGATES
    )
    return RowError(f"invalid {encoding.upper()}", f"byte 0x{byte:02x} after {place} characters")


def _wrong_width(values: list[str], columns: tuple[str, ...]) -> RowError:
    return RowError("wrong number of columns", f"expected {len(columns)}, found {len(values)}")


def _parse_json(line: str) -> Row | RowError:
    try:
        row, end = _decode_json(line)  # a third of the cost of `json.loads`
    except ValueError:
        row, end = None, -1
    if end != len(line):  # blanks around it, or a fault
        try:
            row = json.loads(line)
        except ValueError as error:
            return RowError("invalid JSON", str(error))
    return row if isinstance(row, dict) else RowError("invalid JSON", "not an object")
