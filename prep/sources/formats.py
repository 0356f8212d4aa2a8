"""Readers of every file format: bytes to rows, and what is wrong with a row that is none."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from prep.errors import DataError, UsageError
from prep.sources.csv_rows import csv_rows
from prep.sources.declarations import FileSpec
from prep.sources.row import Row, RowError

_TABLE_ROWS = 1024  # rows of a Parquet file decoded at a time
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONE_SURROGATES = range(0xDC80, 0xDD00)  # how "surrogateescape" shows undecodable bytes
_decode_json = json.JSONDecoder().raw_decode


def rename_fields(rows: Iterable[Any], names: Mapping[str, str]) -> Iterator[Any]:
    """Give fields the names that the task has for them.

    Args:
        rows: The rows; what is none is passed on.
        names: Their names → the task's; the others stay.

    Returns:
        The rows, renamed.
    """
    if not names:
        return iter(rows)
    return (_renamed(row, names) for row in rows)


def row_units(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Any]:
    """Cut a file into pieces of one row each.

    Args:
        file: Open for reading, at its start.
        spec: How it is laid out.
        path: Its path, for error messages.

    Returns:
        Lines as bytes, CSV rows as texts, or whole rows.
    """
    if spec.format == "csv":
        return csv_rows(file, spec, path)
    if spec.format == "json":
        return _document_rows(file, spec, path)
    if spec.format == "parquet":
        return _table_rows(file, spec, path)
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
    return file


def text_files(folder: Path) -> list[Path]:
    """List the .txt files of a folder.

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


def folder_rows(folder: Path, spec: FileSpec) -> Iterator[list[str]]:
    """Stream the .txt files of a folder, each a row.

    Args:
        folder: Where they are.
        spec: Their encoding.

    Yields:
        Text, file name and folder name.

    Raises:
        DataError: If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder of .txt files")
    for file in text_files(folder):
        content = file.read_bytes().removeprefix(_BYTE_ORDER_MARK)
        yield [content.decode(spec.encoding, "surrogateescape"), file.name, folder.name]


def _document_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Row | RowError]:
    try:
        document = json.loads(file.read())
    except ValueError as error:
        raise DataError(f"{path} is not a JSON document: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path} is not a JSON document: nested too deeply") from error
    rows: Iterator[Any] = iter(document if isinstance(document, list) else [document])
    for key in spec.records:
        rows = _descend(rows, key, path)
    return (row if isinstance(row, dict) else _not_an_object() for row in rows)


def _descend(rows: Iterator[Any], key: str, path: Path) -> Iterator[Any]:
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(key), list):
            raise DataError(f"{path}: expected an object with a list {key!r}")
        outer = {name: value for name, value in row.items() if name != key}
        yield from ({**outer, **inner} if isinstance(inner, dict) else inner for inner in row[key])


def _not_an_object() -> RowError:
    return RowError("invalid JSON", "not an object")


def _table_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(f"{path}: reading Parquet needs `pip install pyarrow`") from error
    try:
        table = parquet.ParquetFile(file)
        names = table.schema_arrow.names
        check_distinct((spec.rename.get(name, name) for name in names), path)
        for batch in table.iter_batches(_TABLE_ROWS):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is not a sound Parquet file: {error}") from error


def check_distinct(names: Iterable[str], path: Path) -> None:
    """Refuse columns of one name, of which a row could keep only one.

    Args:
        names: Of the columns, as the task calls them; nobody can ask for one without a name.
        path: The file, for the message.

    Raises:
        DataError: It tells the names that are there several times.
    """
    counts = Counter(filter(None, names))
    repeated = [f"{name!r} ({count} times)" for name, count in counts.items() if count > 1]
    if repeated:
        raise DataError(
            f"{path}: several columns have one name: {', '.join(repeated)}; give each its own,"
            " in the file or with `columns`"
        )


def parse_lines(
    payload: bytes, spec: FileSpec, columns: tuple[str, ...]
) -> Iterator[Row | RowError]:
    """Parse lines of TSV, JSON Lines or plain text.

    Args:
        payload: Whole lines.
        spec: How the file is laid out.
        columns: Names of the columns, of TSV.

    Yields:
        A row for each line, or what is wrong with it.
    """
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


def _renamed(row: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(row, Mapping):  # the wording will say what is wrong with it
        return row
    return {names.get(name, name): value for name, value in row.items()}


def _bare_line(line: str) -> Row:
    return {"line": line}


def _decode(payload: bytes, encoding: str) -> tuple[str, bool]:
    try:
        return payload.decode(encoding), True
    except UnicodeDecodeError:
        return payload.decode(encoding, "surrogateescape"), False


def row_of_columns(values: list[str], columns: tuple[str, ...]) -> Row | RowError:
    """Name the values of a CSV row.

    Args:
        values: As they stand in the file.
        columns: Their names.

    Returns:
        The row, or what is wrong with it.
    """
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
    except (ValueError, RecursionError):
        row, end = None, -1
    if end != len(line):  # blanks around it, or a fault
        try:
            row = json.loads(line)
        except ValueError as error:
            return RowError("invalid JSON", str(error))
        except RecursionError:
            return RowError("invalid JSON", "nested too deeply")
    return row if isinstance(row, dict) else _not_an_object()
