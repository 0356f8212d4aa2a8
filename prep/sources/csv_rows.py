"""CSV, where a quoted field may hold line feeds: a quote that is never closed must be noticed.

A reader that forgives takes everything up to the next quote, or to the end of the file, for one
field. This one is strict: what follows a closing quote is a separator or the end of the row, and a
file does not end inside a quote. A fault that lies in one line costs that row; one that has
swallowed further lines, and so rows, is a fault of the file.
"""

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prep.errors import DataError
from prep.sources.declarations import FileSpec
from prep.sources.opening import open_binary
from prep.sources.row import RowError

FIELD_CHARACTERS = 1 << 26  # of the longest field: beyond it, its closing quote is missing
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_LINE_END = re.compile(r"\r\n|\r|\n")

csv.field_size_limit(FIELD_CHARACTERS)  # the default rejects fields beyond 128 KiB


def csv_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[list[str] | RowError]:
    """Cut a CSV file into rows.

    Args:
        file: Open for reading, at its start.
        spec: Its encoding and separator.
        path: Its path, for error messages.

    Yields:
        The values of a row, or what is wrong with it.

    Raises:
        DataError: If a quote is not closed; it names the line where the quote was opened.
    """
    with _as_text(file, spec) as text:
        reader = csv.reader(
            text, delimiter=spec.separator, escapechar=spec.escape or None, strict=True
        )
        lines = 0  # that the rows so far took
        while True:
            try:
                for row in reader:
                    yield row
                    lines = reader.line_num
                return
            except csv.Error as error:
                is_cut_off = "unexpected end of data" in str(error)
                if is_cut_off or reader.line_num > lines + 1:
                    where = "the file ends" if is_cut_off else f"line {reader.line_num}"
                    opened = _line_of_last_quote(path, spec, lines, reader.line_num)
                    raise _never_closed(path, opened, where, error) from error
                lines = reader.line_num
                fault = RowError("invalid CSV", f"line {lines}: {error}")
            yield fault


def _never_closed(path: Path, opened: int, where: str, error: csv.Error) -> DataError:
    return DataError(
        f"{path}:{opened}: a quoted field opens here and is not closed before {where} ({error}); a"
        " quote inside such a field is written twice"
    )


def _as_text(file: IO[bytes], spec: FileSpec) -> io.TextIOWrapper:
    encoding = "utf-8-sig" if spec.encoding == "utf-8" else spec.encoding
    return io.TextIOWrapper(file, encoding, "surrogateescape", newline="")


def _line_of_last_quote(path: Path, spec: FileSpec, first: int, last: int) -> int:
    """Read the lines of a faulty row again, and find where its last quoted field begins."""
    with open_binary(path) as file, _as_text(file, spec) as lines:
        text = "".join(itertools.islice(lines, first, last))
    marks = re.compile(f"{re.escape(spec.separator)}|{_LINE_END.pattern}")
    position = opened = 0
    while position < len(text):
        if text.startswith('"', position):
            opened = position
            field = _QUOTED.match(text, position)
            if field is None or not (marks.match(text, field.end()) or field.end() == len(text)):
                break
            position = field.end()
        mark = marks.search(text, position)
        position = mark.end() if mark else len(text)
    return first + 1 + len(_LINE_END.findall(text, 0, opened))
