"""Formats whose rows are made where the file is read: Excel, paragraphs, files side by side."""

import datetime
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from prep.errors import DataError, UsageError
from prep.sources.declarations import FileSpec
from prep.sources.encodings import as_utf8, has_wide_line_feeds
from prep.sources.formats import check_distinct, undecodable
from prep.sources.opening import open_binary
from prep.sources.row import BlankLineError, Row, RowError

_ERROR_CELL = "e"  # openpyxl's type of #N/A and the like


def paragraph_rows(file: IO[bytes], spec: FileSpec) -> Iterator[Row | RowError]:
    """Stream the paragraphs of a text, which blank lines part.

    Args:
        file: Open for reading, at its start.
        spec: Its encoding.

    Yields:
        Rows with the field "text", line feeds within it, or what is wrong with one.
    """
    lines: list[str] = []
    for line in itertools.chain(_lines(file, spec.encoding), [""]):
        if line.strip():
            lines.append(line)
        elif lines:
            yield _as_row({"text": "\n".join(lines)}, spec)
            lines = []


def parallel_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Row | RowError]:
    """Stream files of which the lines of one number belong together, as in a parallel corpus.

    Args:
        file: The first, open for reading, at its start.
        spec: Its columns, one per file, and as `beside` where the others are.
        path: The first file's, for error messages.

    Yields:
        Rows with a field per file, or what is wrong with one.

    Raises:
        DataError: If one file has more lines than another.
    """
    paths = (path, *map(Path, spec.beside))
    with ExitStack() as stack:
        files = [file, *(stack.enter_context(open_binary(other)) for other in paths[1:])]
        streams = [_lines(one, spec.encoding) for one in files]
        for number, lines in enumerate(itertools.zip_longest(*streams), start=1):
            if None in lines:
                short = paths[lines.index(None)]
                raise DataError(
                    f"{short} ends after {number - 1:,} lines, and"
                    f" {next(p for p, line in zip(paths, lines, strict=True) if line is not None)}"
                    " goes on: they do not belong together line by line"
                )
            if any(line.strip() for line in lines):
                yield _as_row(dict(zip(spec.columns, lines, strict=True)), spec)
            else:
                yield BlankLineError()


def excel_rows(file: IO[bytes], spec: FileSpec, path: Path) -> Iterator[Row | RowError]:
    """Stream the rows of a sheet of an Excel workbook.

    Args:
        file: Open for reading; .xlsx.
        spec: The sheet's name, by default the first; columns, by default in its first row.
        path: Its path, for error messages.

    Yields:
        Rows of numbers, truth values and texts (dates as ISO 8601 writes them; of a formula, what
        was computed last), or what is wrong with one. An empty cell is no field.

    Raises:
        UsageError: If openpyxl is not installed.
        DataError: If it is no workbook, or has no such sheet.
    """
    book = _open_book(file, path)
    if spec.sheet and spec.sheet not in book.sheetnames:
        raise DataError(f"{path} has no sheet {spec.sheet!r}; it has {', '.join(book.sheetnames)}")
    sheet = book[spec.sheet or book.sheetnames[0]]
    cells = iter(sheet.iter_rows())
    names = list(spec.columns)
    if not names:
        header = next(cells, ())
        names = [str(cell.value).strip() if cell.value is not None else "" for cell in header]
        while names and not names[-1]:
            names.pop()
    check_distinct((spec.rename.get(name, name) for name in names), path)
    for row in cells:
        yield _row_of_cells(row, names)


def measure_sheets(file: IO[bytes], path: Path, most: int) -> dict[str, int]:
    """Count the rows of the sheets of an Excel workbook that have two cells or more.

    Args:
        file: Open for reading; .xlsx.
        path: Its path, for error messages.
        most: Rows of a sheet that are looked at.

    Returns:
        By the sheet's name, in the workbook's order.

    Raises:
        UsageError: If openpyxl is not installed.
        DataError: If it is no workbook.
    """
    book = _open_book(file, path)
    return {
        sheet.title: sum(
            sum(value is not None for value in row) > 1
            for row in sheet.iter_rows(max_row=most, values_only=True)
        )
        for sheet in book.worksheets
    }


def _open_book(file: IO[bytes], path: Path) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise UsageError(f"{path}: reading Excel needs `pip install openpyxl`") from error
    try:
        return openpyxl.load_workbook(io.BytesIO(file.read()), read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise DataError(f"{path} is no Excel workbook (.xlsx): {error}") from error


def _row_of_cells(cells: Sequence[Any], names: Sequence[str]) -> Row | RowError:
    filled = [cell for cell in cells if cell.value is not None]
    if not filled:
        return BlankLineError()
    for cell in filled:
        if cell.data_type == _ERROR_CELL:
            return RowError("error in a cell", f"{cell.value} in {cell.coordinate}")
    if any(cell.value is not None for cell in cells[len(names) :]):
        return RowError("wrong number of columns", f"more than the {len(names)} of the header")
    return {
        name: _plain(cell.value)
        for name, cell in zip(names, cells, strict=False)
        if name and cell.value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()  # a day is a moment to Excel
    is_date = isinstance(value, datetime.date | datetime.time)
    return value.isoformat() if is_date else value


def _lines(file: IO[bytes], encoding: str) -> Iterator[str]:
    with ExitStack() as stack:
        if has_wide_line_feeds(encoding):
            file, encoding = stack.enter_context(as_utf8(file, encoding)), "utf-8"
        for number, raw in enumerate(file):
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode(encoding, "surrogateescape")
            yield line if number else line.removeprefix("\ufeff")


def _as_row(fields: Row, spec: FileSpec) -> Row | RowError:
    fault = undecodable("\n".join(map(str, fields.values())), spec.encoding)
    return fault or fields
