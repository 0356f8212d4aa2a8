"""Files → blocks of rows → rows, streaming: no more than one block per worker is ever in memory.

The reading process only finds where rows begin and end; decoding and parsing, which cost more,
happen wherever the block is sent, and so does the reading of plain files of lines. Only CSV, where
a quoted field may hold line feeds, is parsed on the reading side.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from prep.errors import DataError
from prep.sources.declarations import FileSpec
from prep.sources.encodings import as_utf8, find_wide_encoding, has_wide_line_feeds
from prep.sources.file_ranges import FileRange, find_lines
from prep.sources.formats import (
    check_distinct,
    check_header_encoding,
    check_keys,
    folder_rows,
    parse_lines,
    rename_fields,
    row_of_columns,
    row_units,
)
from prep.sources.opening import as_data_errors, is_plain, open_binary
from prep.sources.row import BlankLineError, Row, RowError, shown_row
from prep.sources.whole_rows import excel_rows, paragraph_rows, parallel_rows

_LINE_FORMATS = ("tsv", "jsonl", "lines")
_ROWS_TO_KNOW = 100  # first rows of a file, whose fields are its fields
_SAMPLE_BYTES = 1 << 16
_FOLDER_COLUMNS = ("text", "file", "folder")  # of a folder of .txt files


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
    payload: FileRange | bytes | Sequence[list[str] | RowError] | Sequence[Row | RowError]

    def load(self) -> "Block":
        """Read the lines of a block that only says where they lie.

        Returns:
            The block, with everything in memory.

        Raises:
            DataError: If the file cannot be read, or has become shorter.
        """
        if isinstance(self.payload, FileRange):
            return dataclasses.replace(self, payload=self.payload.read())
        return self


def read_blocks(path: Path, spec: FileSpec, rows_per_block: int) -> Iterator[Block]:
    """Stream a file as blocks of rows.

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
        for block in rows_as_blocks(folder_rows(path, spec), rows_per_block, path.name):
            yield dataclasses.replace(block, columns=columns, spec=spec)
        return
    with as_data_errors(path), open_binary(path) as opened, contextlib.ExitStack() as stack:
        file, is_on_disk = opened, is_plain(opened)
        if spec.format in _LINE_FORMATS and has_wide_line_feeds(spec.encoding):
            file, is_on_disk = stack.enter_context(as_utf8(opened, spec.encoding)), False
            spec = dataclasses.replace(spec, encoding="utf-8")
        units = _open_units(file, spec, path)
        columns = _take_columns(units, spec, path)
        header_rows = int(spec.has_columns and not spec.columns)
        parts: Iterator[tuple[Any, int]] = _cut(units, rows_per_block)
        if spec.format in _LINE_FORMATS and is_on_disk:
            parts = find_lines(path, file.tell(), rows_per_block)
        index = 0
        for payload, count in parts:
            yield Block(path.name, index + 1 + header_rows, index, count, columns, spec, payload)
            index += count


def rows_as_blocks(rows: Iterable[Any], rows_per_block: int, name: str) -> Iterator[Block]:
    """Cut generated rows into blocks.

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
    """Parse the rows of a block.

    Args:
        block: The block.

    Returns:
        One row, or the reason why it is none, for every row of the block.
    """
    payload = block.load().payload
    if block.spec is None:
        return iter(cast("Sequence[Row]", payload))
    if isinstance(payload, bytes):
        return parse_lines(payload, block.spec, block.columns)
    if block.spec.format not in ("csv", "folder"):
        return rename_fields(cast("Sequence[Row]", payload), block.spec.rename)
    rows = cast("Sequence[list[str] | RowError]", payload)
    return (
        values
        if isinstance(values, RowError)
        else row_of_columns(values, block.columns, block.spec.encoding)
        for values in rows
    )


def row_keys(block: Block) -> list[bytes]:
    """Return the raw content of each row, to tell equal rows.

    Args:
        block: The block.

    Returns:
        One bytes object per row.
    """
    payload = block.load().payload
    if isinstance(payload, bytes):
        return payload.removesuffix(b"\n").split(b"\n")
    return list(map(shown_row, cast("Sequence", payload)))


def columns_of(path: Path, spec: FileSpec) -> tuple[str, ...]:
    """Find out which fields a file has, from its header or from its first rows.

    Args:
        path: The file.
        spec: How it is laid out.

    Returns:
        Names of the fields, in the order in which they come up.

    Raises:
        DataError: If the file has no rows at all, if none of the first can be read, or if a field
            is there twice.
    """
    _check_wide_encoding(path, spec)
    for first in read_blocks(path, spec, _ROWS_TO_KNOW):
        if first.columns:
            return first.columns
        block = first.load()
        rows = [row for row in parse_block(block) if not isinstance(row, BlankLineError)]
        found = [row for row in rows if isinstance(row, Mapping)]
        if rows and not found:
            raise DataError(
                f"{path}: none of its first {len(rows):,} rows can be read: {rows[0]}"
                + _if_one_document(block.payload, spec)
            )
        if found:
            if spec.format == "jsonl":
                check_keys(cast("bytes", block.payload), spec, path)
            return tuple(dict.fromkeys(name for row in found for name in row))
    raise DataError(f"{path} has no rows")


def _if_one_document(payload: Any, spec: FileSpec) -> str:
    """Tell a JSON document that is called JSON Lines: a list, or an object over several lines."""
    if spec.format != "jsonl" or not isinstance(payload, bytes):
        return ""
    start = payload.lstrip()
    is_one = start.startswith(b"[") or start.partition(b"\n")[0].strip() == b"{"
    return "; it looks like one JSON document: `format: json` says so" if is_one else ""


def _check_wide_encoding(path: Path, spec: FileSpec) -> None:
    """Refuse a text file in UTF-16 that is not said to be so: half of its bytes are NULs."""
    if spec.format in ("folder", "parquet", "json", "excel") or has_wide_line_feeds(spec.encoding):
        return
    with as_data_errors(path), open_binary(path) as file:
        found = find_wide_encoding(file.read(_SAMPLE_BYTES))
    if found:
        raise DataError(f"{path} is no {spec.encoding}; encoding {found} would read it")


def _open_units(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Any]:
    """Cut a file into pieces of one row each, or make its rows."""
    if spec.format == "paragraphs":
        return paragraph_rows(file, spec)
    if spec.format == "parallel":
        return parallel_rows(file, spec, path)
    if spec.format == "excel":
        return excel_rows(file, spec, path)
    return row_units(file, spec, path)


def _cut(units: Iterator[Any], rows_per_block: int) -> Iterator[tuple[Any, int]]:
    """Take pieces of a file together, as what a block holds and how many rows that is."""
    while taken := list(itertools.islice(units, rows_per_block)):
        yield b"".join(taken) if isinstance(taken[0], bytes) else taken, len(taken)


def _take_columns(units: Iterator, spec: FileSpec, path: Path) -> tuple[str, ...]:
    """Return the column names, taking the header off the stream where there is one."""
    if not spec.has_columns:
        return spec.columns
    if spec.columns:
        named = tuple(spec.rename.get(name, name) for name in spec.columns)
        check_distinct(named, path)
        return named
    header = next(units, None)
    if header is None:
        raise DataError(f"{path} is empty: expected a header and rows")
    if isinstance(header, RowError):
        raise DataError(f"{path}: the header cannot be read: {header}")
    if spec.format != "csv":
        header = header.decode(spec.encoding, "surrogateescape").rstrip("\r\n")
        header = header.split(spec.separator)
    check_header_encoding(header, spec, path)
    names = (name.strip() for name in header)
    columns = tuple(spec.rename.get(name, name) for name in names)
    check_distinct(columns, path)
    return columns
