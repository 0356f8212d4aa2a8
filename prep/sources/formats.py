"""Readers of every file format: bytes to rows, and what is wrong with a row that is none."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from prep.errors import DataError, UsageError
from prep.sources.csv_rows import csv_rows
from prep.sources.declarations import FileSpec
from prep.sources.encodings import guess_encoding
from prep.sources.row import BlankLineError, Row, RowError

_TABLE_ROWS = 1024  # rows of a Parquet file decoded at a time
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEARBY_BYTES = 1000  # of what cannot be decoded, to guess its encoding
_SEPARATORS = (";", "\t", "|", ",")
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
    buffered: Any = file  # of which not all can go back
    if buffered.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
        file.read(len(_BYTE_ORDER_MARK))
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
    content = file.read()
    try:
        document = json.loads(
            content if spec.encoding == "utf-8" else content.decode(spec.encoding),
            object_pairs_hook=_distinct_names,
        )
    except UnicodeDecodeError as error:
        guessed = guess_encoding(content[: error.start + _NEARBY_BYTES])
        raise DataError(f"{path} is not {error.encoding}; {_other_encoding(guessed)}") from error
    except _RepeatedNameError as error:
        raise DataError(f"{path}: an object in it is ambiguous: {error}") from error
    except ValueError as error:
        if _is_json_lines(content) and not spec.records:  # a common misnomer
            return parse_lines(content, dataclasses.replace(spec, format="jsonl", rename={}), ())
        raise DataError(f"{path} is not a JSON document: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path} is not a JSON document: nested too deeply") from error
    rows: Iterator[Any] = iter(document if isinstance(document, list) else [document])
    for key in spec.records:
        rows = _descend(rows, key, path)
    return (row if isinstance(row, dict) else _not_an_object() for row in rows)


class _RepeatedNameError(ValueError):
    """Two values of one name in a JSON object, of which a reader keeps the last."""


def _distinct_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _RepeatedNameError(f"{name!r} has two values")
    return fields


def _is_json_lines(content: bytes) -> bool:
    first = content.lstrip().partition(b"\n")[0]
    return isinstance(_parse_json(first.decode("utf-8", "replace")), dict)


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


def check_header_encoding(header: Sequence[str], spec: FileSpec, path: Path) -> None:
    """Refuse a header that is in another encoding.

    Args:
        header: Names of the columns, as they were decoded.
        spec: How the file is laid out.
        path: The file, for the message.

    Raises:
        DataError: It tells the encoding that would read it.
    """
    if any(map(_has_lone_surrogate, header)):
        raise DataError(f"{path}: the header: {_undecodable(' '.join(header), spec.encoding)}")


def check_keys(payload: bytes, spec: FileSpec, path: Path) -> None:
    """Refuse new names that would make one of two fields; a row that has two itself is rejected.

    Args:
        payload: Lines of JSON Lines.
        spec: How the file is laid out.
        path: The file, for the message.

    Raises:
        DataError: It tells the names that are there several times.
    """
    for line in payload.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a row that will be rejected
        if isinstance(row, dict):
            check_distinct((spec.rename.get(name, name) for name in row), path)


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
        if not line or (line.isspace() and not is_tsv):
            yield BlankLineError()
        elif not is_clean and _has_lone_surrogate(line):
            yield _undecodable(line, spec.encoding)
        elif is_tsv:
            values = line.split(separator)
            if len(values) == width:
                yield dict(zip(columns, values))  # noqa: B905 - strict costs a tenth of the loop
            else:
                yield _wrong_width(values, columns)
        elif spec.rename:
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


def row_of_columns(
    values: list[str], columns: tuple[str, ...], encoding: str = "utf-8"
) -> Row | RowError:
    """Name the values of a CSV row.

    Args:
        values: As they stand in the file.
        columns: Their names.
        encoding: Of the file.

    Returns:
        The row, or what is wrong with it.
    """
    if not values:
        return BlankLineError()
    if any(map(_has_lone_surrogate, values)):
        return _undecodable(",".join(values), encoding)
    if len(values) != len(columns):
        return _wrong_width(values, columns)
    return dict(zip(columns, values, strict=True))


def _has_lone_surrogate(text: str) -> bool:
    return not text.isascii() and any(ord(character) in _LONE_SURROGATES for character in text)


def undecodable(text: str, encoding: str) -> RowError | None:
    """Tell what could not be decoded.

    Args:
        text: As "surrogateescape" decoded it.
        encoding: What it was taken for.

    Returns:
        What is wrong with the row; None where all is well.
    """
    return _undecodable(text, encoding) if _has_lone_surrogate(text) else None


def _undecodable(line: str, encoding: str) -> RowError:
    place, byte = next(
        (place, ord(character) - 0xDC00)
        for place, character in enumerate(line)
        if ord(character) in _LONE_SURROGATES
    )
    guessed = guess_encoding(line.encode("utf-8", "surrogateescape"))
    hint = f"; {_other_encoding(guessed)}" if guessed != encoding else ""
    found = f"byte 0x{byte:02x} after {place} characters{hint}"
    return RowError(f"invalid {encoding.upper()}", found)


def _other_encoding(name: str) -> str:
    return f"encoding {name} would read it"


def _wrong_width(values: list[str], columns: tuple[str, ...]) -> RowError:
    hint = describe_separator(values) if len(values) == 1 else ""
    return RowError(
        "wrong number of columns", f"expected {len(columns)}, found {len(values)}{hint}"
    )


def describe_separator(values: Sequence[str]) -> str:
    """Tell of another separator in what should be several columns and is one.

    Args:
        values: Of a row, or the names of the columns.

    Returns:
        Such as "; they look separated by ';': `delimiter: ';'` says so"; empty if there is none.
    """
    counts = {mark: values[0].count(mark) for mark in _SEPARATORS} if len(values) == 1 else {}
    likely = max(counts, key=lambda mark: counts[mark], default="")
    if not counts.get(likely):
        return ""
    return f"; they look separated by {likely!r}: `delimiter: {likely!r}` says so"


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
    if not isinstance(row, dict):
        return _not_an_object()
    # Two values of one name are looked for where there are more colons than names.
    if line.count('":') != len(row):
        try:
            json.loads(line, object_pairs_hook=_distinct_names)
        except _RepeatedNameError as error:
            return RowError("repeated name", str(error))
    return row
