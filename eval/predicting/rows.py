"""Texts to answer, out of files of any size, of standard input, or of columns put together."""

from __future__ import annotations

import itertools
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adapters_tf.errors import say_note
from prep import DataError, UsageError, nearest
from prep.drafting.looking import delimiter_of
from prep.sources.blocks import columns_of, parse_block, read_blocks
from prep.sources.declarations import SUFFIX_FORMATS, FileSpec, suffix_of
from prep.sources.row import BlankLineError, RowError, check_text, is_blank

STANDARD_INPUT = "-"
USUAL_COLUMNS = ("input", "inputs", "text", "line")
# A document is read whole, and files to answer may be of any size.
FORMATS = {suffix: name for suffix, name in SUFFIX_FORMATS.items() if name != "json"}


@dataclass(frozen=True)
class AskedRow:
    """A row of a file.

    Attributes:
        fields: As the file has them.
        text: What is to be answered; empty where the row cannot be read.
        fault: Why it cannot.
        is_blank: Whether its line has nothing on it.
    """

    fields: Mapping[str, Any]
    text: str
    fault: str = ""
    is_blank: bool = False


@dataclass(frozen=True)
class Wording:
    """How the text to answer is made of a row.

    Attributes:
        column: The field that holds it; empty where fields are put together.
        template: A text with fields' names in braces.
    """

    column: str = ""
    template: str = ""

    def __call__(self, fields: Mapping[str, Any]) -> str:
        """Make the text of a row.

        Raises:
            RowError: A field is missing, null or blank, or no text, or does not fit the template.
        """
        try:
            text = fields[self.column] if self.column else self._fill(fields)
        except KeyError as error:
            raise RowError("field is missing", str(error)) from error
        if not isinstance(text, str):
            raise RowError("field is no text", repr(text)[:40])
        if is_blank(text):
            raise RowError("text is empty")
        check_text(text)
        return text

    def _fill(self, fields: Mapping[str, Any]) -> str:
        for name in _names_in(self.template):
            if fields[name] is None:
                raise RowError("field is missing", repr(name))
            if isinstance(fields[name], str) and is_blank(fields[name]):
                raise RowError("empty field", repr(name))  # as `prep build` and `eval serve` say
        try:
            return self.template.format_map(fields)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise RowError("field does not fit the template", str(error)) from error


def _names_in(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def choose_wording(columns: Sequence[str], column: str | None, template: str | None) -> Wording:
    """Choose where a file's texts are.

    Args:
        columns: Of the file.
        column: The one asked for.
        template: What was asked for instead.

    Returns:
        How texts are made; without either, of the one column there is, or of one of a usual name.

    Raises:
        UsageError: There is no such column, or nothing says which it is.
    """
    if column and template:
        raise UsageError("--column and --template both say what the text is: give one")
    if template:
        try:
            named = _names_in(template)
        except ValueError as error:
            raise UsageError(f"--template {template!r}: {error}") from error
        if not named:
            raise UsageError("--template has no {column} in it")
        for name in named:
            if name not in columns:
                raise UsageError(
                    f"--template: there is no column {name!r}; {nearest(name, columns)}"
                )
        return Wording(template=template)
    if column:
        if column not in columns:
            raise UsageError(
                f"--column: there is none named {column!r}; {nearest(column, columns)}"
            )
        return Wording(column)
    usual = [name for name in USUAL_COLUMNS if name in columns]
    if len(columns) != 1 and not usual:
        raise UsageError(
            f"which column is the text? --column NAME out of {', '.join(columns)}, or --template"
        )
    return Wording(usual[0] if usual else columns[0])


def find_spec(path: Path, encoding: str = "utf-8") -> FileSpec:
    """Tell a file's format by its name.

    Args:
        path: Of the file, which may be compressed by gzip or zstd.
        encoding: Of a file of text.

    Returns:
        How it is laid out.

    Raises:
        UsageError: The name does not tell, or there is no such encoding.
    """
    suffix = suffix_of(path.name)
    if suffix not in FORMATS:
        raise UsageError(f"{path.name}: expected a name that ends in {', '.join(FORMATS)}")
    return FileSpec(path.name, FORMATS[suffix], encoding=encoding)


class RowFile:
    """A file of texts to answer.

    Args:
        name: Of the file; "-" is standard input, a text on each line.
        column: The field that holds the texts, if it was named.
        template: How they are put together, if that was given.
        encoding: Of a file of text; UTF-8 by default.

    Attributes:
        columns: Of the file.

    Raises:
        UsageError: There is no such file or column.
        DataError: The file cannot be read.
    """

    def __init__(
        self, name: str, column: str | None, template: str | None, encoding: str | None = None
    ):
        self.name = name
        if name == STANDARD_INPUT:
            if sys.stdin is None:
                raise UsageError("standard input is closed; give texts with --text or --file")
            if encoding:
                raise UsageError("standard input is in the encoding of the terminal")
            if column or template:
                raise UsageError("standard input has a text on each line, and no columns")
            self.columns: tuple[str, ...] = ("input",)
            return
        self.path = Path(name)
        if not self.path.is_file():
            raise UsageError(f"there is no file {name}")
        self.spec = find_spec(self.path, encoding or "utf-8")
        if (
            self.spec.format == "csv"
            and (mark := delimiter_of(self.path, self.spec.encoding)) != ","
        ):
            say_note(f"the columns of {self.path.name} lie between {mark!r}")
            self.spec = replace(self.spec, delimiter=mark)
        self.columns = columns_of(self.path, self.spec)
        self.wording = choose_wording(self.columns, column, template)
        name = self.wording.column
        if self.spec.has_columns and not column and name and name not in USUAL_COLUMNS:
            say_note(f"the first line of {self.path.name} is its header: the texts' is {name!r}")

    def read(self, at_once: int) -> Iterator[list[AskedRow]]:
        """Stream the rows.

        Args:
            at_once: Rows to read at a time.

        Yields:
            Rows, in order, so many at a time; blank lines are rows with a fault, but for those at
            the end, which are none.

        Raises:
            DataError: The file cannot be read.
        """
        yield from _in_parts(_without_blank_end(self._read_all(at_once)), at_once)

    def _read_all(self, at_once: int) -> Iterator[AskedRow]:
        if self.name == STANDARD_INPUT:
            yield from _standard_input()
            return
        for block in read_blocks(self.path, self.spec, at_once):
            for row in parse_block(block):
                yield _ask(row, self.wording)

    def is_file(self, path: Path) -> bool:
        """Say whether a file that is there is the one of the texts."""
        return self.name != STANDARD_INPUT and self.path.samefile(path)

    def describe(self) -> dict[str, Any]:
        """Say which file it is and what is asked, to tell whether it is the same again."""
        if self.name == STANDARD_INPUT:
            return {"file": STANDARD_INPUT}
        status = self.path.stat()
        identity = {"bytes": status.st_size, "changed": status.st_mtime_ns}
        layout = {"encoding": self.spec.encoding, "delimiter": self.spec.delimiter}
        wording = asdict(self.wording)
        return {"file": str(self.path.resolve()), **identity, **layout, "wording": wording}


def _ask(row: Mapping[str, Any] | RowError, wording: Wording) -> AskedRow:
    if isinstance(row, RowError):
        return AskedRow({}, "", str(row), isinstance(row, BlankLineError))
    try:
        return AskedRow(row, wording(row))
    except RowError as error:
        return AskedRow(row, "", str(error))


def _standard_input() -> Iterator[AskedRow]:
    try:
        for line in sys.stdin:
            text = line.rstrip("\r\n")
            yield replace(_ask({"input": text}, Wording("input")), is_blank=not text.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is no {error.encoding}: {error.reason}") from error


def _without_blank_end(rows: Iterator[AskedRow]) -> Iterator[AskedRow]:
    """Leave out the blank lines that nothing comes after."""
    blank: list[AskedRow] = []
    for row in rows:
        if row.is_blank:
            blank.append(row)
            continue
        yield from blank
        blank = []
        yield row


def _in_parts(rows: Iterator[AskedRow], at_once: int) -> Iterator[list[AskedRow]]:
    while part := list(itertools.islice(rows, at_once)):
        yield part
