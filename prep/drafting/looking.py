"""Look at a file: its format, encoding, delimiter, header and rows."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import DataError, UsageError
from prep.sources.blocks import columns_of, parse_block, read_blocks
from prep.sources.declarations import SUFFIX_FORMATS, FileFormat, FileSpec, suffix_of
from prep.sources.encodings import find_wide_encoding, guess_encoding
from prep.sources.opening import as_data_errors, open_binary
from prep.sources.row import BlankLineError, Row, RowError, check_text
from prep.sources.whole_rows import measure_sheets
from prep.tasks.templates import NUMBER

FORMATS: Mapping[str, FileFormat] = {**SUFFIX_FORMATS, ".ndjson": "jsonl"}
DELIMITERS = (",", ";", "\t", "|")
MOST_ROWS = 50_000  # looked at; what lies after them is not
_SAMPLE_ROWS = 100  # that tell the delimiter and the header
_SAMPLE_BYTES = 1 << 18
_BLOCK = 1000
_SHEET_ROWS = 1000  # that tell which sheet has the rows
_LONGEST_NAME = 40  # letters; a longer first line is a row
_MOST_WORDS = 5  # of a column's name


@dataclass(frozen=True)
class SeenFile:
    """What was seen of a file.

    Attributes:
        path: The file.
        spec: How it is laid out.
        columns: Names of its fields.
        rows: The first of its rows, `MOST_ROWS` at most.
        faults: What is wrong with rows that cannot be read, of those that were looked at.
        is_whole: Whether these are all rows.
        notes: What was found out about its layout, a sentence each.
    """

    path: Path
    spec: FileSpec
    columns: tuple[str, ...]
    rows: Sequence[Row]
    faults: Sequence[str]
    is_whole: bool
    notes: tuple[str, ...]


def look_at(path: Path) -> SeenFile:
    """Look at a file.

    Args:
        path: Named after its format, compressed or not.

    Returns:
        What was seen.

    Raises:
        UsageError: There is no such file, or its name does not tell the format.
        DataError: It has no rows, or none that can be read.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name the files in it")
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    file_format = _format_of(path)
    notes: list[str] = []
    spec = FileSpec(path.name, file_format)
    if file_format in ("csv", "tsv", "jsonl", "lines", "json"):
        encoding = find_encoding(path)
        if encoding != "utf-8":
            notes.append(f"its encoding looks like {encoding}")
            spec = dataclasses.replace(spec, encoding=encoding)
    if file_format in ("csv", "tsv"):
        spec = _with_layout(path, spec, notes)
    if file_format == "json":
        spec = _with_records(path, spec, notes)
    if file_format == "excel":
        spec = _with_sheet(path, spec, notes)
    columns = columns_of(path, spec)
    for name in columns:
        try:
            check_text(name)
        except RowError as error:
            raise DataError(f"{path}: the name of column {name!r} is no text: {error}") from error
    rows, faults, is_whole = _read_rows(path, spec)
    if not rows:
        raise DataError(f"{path} has no rows that can be read: {(faults or ['it is empty'])[0]}")
    return SeenFile(path, spec, columns, rows, faults, is_whole, tuple(notes))


def _format_of(path: Path) -> FileFormat:
    suffix = suffix_of(path.name.lower())
    if suffix not in FORMATS:
        raise UsageError(f"{path.name}: expected a name that ends in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def find_encoding(path: Path) -> str:
    """Find out a text file's encoding.

    Args:
        path: The file; all of it is read, as UTF-8 goes wrong where it goes wrong.

    Returns:
        `utf-8` where that reads it, else the likeliest other one.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with as_data_errors(path), open_binary(path) as file:
        sample = file.read(_SAMPLE_BYTES)
        if wide := find_wide_encoding(sample):
            return wide
        try:
            part = sample
            while part:
                decoder.decode(part)
                part = file.read(_SAMPLE_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return guess_encoding(part if part != sample else sample)
    return "utf-8"


def _with_layout(path: Path, spec: FileSpec, notes: list[str]) -> FileSpec:
    """Find a table's delimiter, and whether its first line names the columns."""
    lines = _first_lines(path, spec.encoding)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} is empty")
    usual = "," if spec.format == "csv" else "\t"
    delimiter = find_delimiter(lines, usual) if spec.format == "csv" else usual
    if delimiter != usual:
        notes.append(f"its columns lie between {delimiter!r}")
        spec = dataclasses.replace(spec, delimiter=delimiter)
    table = [line.rstrip("\r\n").split("\t") for line in lines]
    if spec.format == "csv":
        table = list(csv.reader(lines, delimiter=delimiter))
    if reason := why_no_header(table):
        names = tuple(f"column{number}" for number in range(1, len(table[0]) + 1))
        notes.append(f"its first line is a row, not the columns' names: {reason}")
        spec = dataclasses.replace(spec, columns=names)
    return spec


def _first_lines(path: Path, encoding: str) -> list[str]:
    with as_data_errors(path), open_binary(path) as file:
        name = "utf-8-sig" if encoding == "utf-8" else encoding
        with io.TextIOWrapper(file, name, "replace", newline="") as text:
            return list(itertools.islice(text, _SAMPLE_ROWS))


def delimiter_of(path: Path, encoding: str = "utf-8") -> str:
    """Find what lies between the columns of a CSV file.

    Args:
        path: Of the file, which may be compressed.
        encoding: Of its text.

    Returns:
        The delimiter; a comma where nothing tells.

    Raises:
        DataError: The file cannot be read.
    """
    return find_delimiter(_first_lines(path, encoding))


def find_delimiter(lines: Sequence[str], usual: str = ",") -> str:
    """Find what lies between the columns of the lines of a CSV file.

    Args:
        lines: The first ones, with their ends.
        usual: What it is where nothing tells.

    Returns:
        The one that cuts most rows into as many columns as the first, more than one.
    """
    best, most = usual, (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda one: one != usual):
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] < 2:
            continue
        found = (round(widths.count(widths[0]) / len(widths), 1), widths[0])
        if found > most:
            best, most = delimiter, found
    return best


def why_no_header(table: Sequence[Sequence[str]]) -> str:
    """Tell why a table's first line cannot be the names of its columns.

    Args:
        table: The first rows, the first line among them.

    Returns:
        The reason; empty if it can.
    """
    first, others = [value.strip() for value in table[0]], table[1:]
    for place, value in enumerate(first):
        if not value:  # pandas leaves the name of its index empty
            continue
        if NUMBER.fullmatch(value):
            return f"{value} is a number"
        if len(value) > _LONGEST_NAME or len(value.split()) > _MOST_WORDS:
            return f"{value[:_LONGEST_NAME]!r} is long"
        below = [row[place].strip() for row in others if len(row) > place]
        if value in below:
            return f"{value!r} is in that column again"
    return ""


def _with_records(path: Path, spec: FileSpec, notes: list[str]) -> FileSpec:
    """Find the list of rows in a JSON document that is an object."""
    try:
        document = json.loads(_whole_text(path, spec.encoding))
    except (ValueError, RecursionError):
        return spec  # the reader says what is wrong, or that these are JSON Lines
    lists = [
        key
        for key, value in (document.items() if isinstance(document, dict) else ())
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    ]
    if len(lists) == 1:
        notes.append(f"its rows are the list {lists[0]!r}")
        return dataclasses.replace(spec, records=(lists[0],))
    return spec


def _with_sheet(path: Path, spec: FileSpec, notes: list[str]) -> FileSpec:
    """Find the sheet with the rows: the first may be a cover."""
    with as_data_errors(path), open_binary(path) as file:
        sheets = measure_sheets(file, path, _SHEET_ROWS)
    first = next(iter(sheets))
    chosen = next(name for name, rows in sheets.items() if 2 * rows >= max(sheets.values()))
    if len(sheets) > 1:
        notes.append(f"of its sheets {', '.join(sheets)} it is {chosen!r} that is read")
    return spec if chosen == first else dataclasses.replace(spec, sheet=chosen)


def _whole_text(path: Path, encoding: str) -> str:
    with as_data_errors(path), open_binary(path) as file:
        return file.read().decode("utf-8-sig" if encoding == "utf-8" else encoding)


def _read_rows(path: Path, spec: FileSpec) -> tuple[list[Row], list[str], bool]:
    rows: list[Row] = []
    faults: list[str] = []
    for block in read_blocks(path, spec, _BLOCK):
        for row in map(_checked, parse_block(block)):
            if isinstance(row, Mapping):
                rows.append(row)
            elif not isinstance(row, BlankLineError):
                faults.append(str(row))
            if len(rows) + len(faults) > MOST_ROWS:
                return rows, faults, False
    return rows, faults, True


def _checked(row: Row | RowError) -> Row | RowError:
    """Take a row that has half a character for one that cannot be read, as a build does."""
    if isinstance(row, Mapping):
        try:
            for value in row.values():
                if isinstance(value, str):
                    check_text(value)
        except RowError as error:
            return error
    return row
