"""What the values of a column are like: texts or numbers, few or many, long or short."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.sources.row import Row, RowError
from prep.tasks.row_steps import value_at
from prep.tasks.templates import NUMBER

_COMMA = re.compile(r"[+-]?\d[\d.]*,\d+")
_DATE = re.compile(r"(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3(\d\d){1,2})([ T]\d\d?:\d\d.*)?")
# What programs write where a value is missing, as no class is called.
_MISSING = frozenset(("nan", "-nan", "<na>", "#n/a", "#na"))
_TEXT = "text"  # what libraries call the text of an answer that has a place too
_MOST_COUNTED = 1000  # values; with more of them a column is no list of classes


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: As the file has it.
        filled: How many rows have a value that is neither empty nor "not a number".
        rows: How many there are.
        counts: How often each value comes up, the most frequent first, as a text; at most
            `_MOST_COUNTED` different ones.
        distinct: How many different ones there are.
        are_numbers: Whether all values are numbers.
        are_whole: Whether they are whole numbers.
        are_lists: Whether all are lists of texts.
        are_texts: Whether all can stand in a text.
        have_commas: Whether all are numbers, some with a comma in place of the point.
        are_dates: Whether all are dates in figures.
        empty_lists: How many are lists without anything in them.
        missing: How often each text such as "NaN" stands in place of a value; rows with one are
            not filled.
        words: Words of a value, on average.
        is_nested: Whether its name is the way into objects, as "answers.text" is.
    """

    name: str
    filled: int
    rows: int
    counts: dict[str, int]
    distinct: int
    are_numbers: bool
    are_whole: bool
    are_lists: bool
    are_texts: bool
    have_commas: bool
    are_dates: bool
    empty_lists: int
    missing: dict[str, int]
    words: float
    is_nested: bool = False

    @property
    def examples(self) -> float:
        """How many rows have the same value, on average."""
        return self.filled / max(self.distinct, 1)

    @property
    def empty(self) -> int:
        """How many rows have nothing there that a build could take for a text."""
        return self.rows - self.filled - sum(self.missing.values())

    @property
    def is_constant(self) -> bool:
        """Whether one value is all there is."""
        return self.distinct <= 1


def describe_column(name: str, rows: Sequence[Row]) -> Column:
    """Count what a column holds.

    Args:
        name: Of the column.
        rows: Of the file.

    Returns:
        Its description.
    """
    found = [value for row in rows if not is_empty(value := row.get(name))]
    values = [value for value in found if not _is_missing(value)]
    lists = [value for value in values if _is_list(value)]
    written = [as_written(value) for value in values if _is_plain(value)]
    counts = Counter(written)
    numbers = [text for text in written if NUMBER.fullmatch(text)]
    return Column(
        name=name,
        filled=len(values),
        rows=len(rows),
        counts=dict(counts.most_common(_MOST_COUNTED)),
        distinct=len(counts),
        are_numbers=bool(values) and len(numbers) == len(values),
        are_whole=bool(values) and sum(map(_is_whole, numbers)) == len(values),
        are_lists=bool(values) and len(lists) == len(values),
        are_texts=len(written) == len(values),
        have_commas=0 < len(numbers) + _count(_COMMA, written) == len(values) > len(numbers),
        are_dates=0 < _count(_DATE, written) == len(values),
        empty_lists=sum(not one for one in lists),
        missing=dict(Counter(as_written(value) for value in found if _is_missing(value))),
        words=sum(len(text.split()) for text in written) / max(len(written), 1),
    )


def describe_nested(name: str, rows: Sequence[Row]) -> Column | None:
    """Describe the texts in a column of objects, as SQuAD's `answers` has them.

    Args:
        name: Of the column.
        rows: Of the file.

    Returns:
        A column of lists, called "answers.text"; None where values are no objects with texts.
    """
    path = f"{name}.{_TEXT}"
    found: list[Row] = []
    for row in rows:
        value = row.get(name)
        if not is_empty(value) and not _holds_objects(value):
            return None
        try:
            texts = [] if is_empty(value) else value_at(row, path)
        except RowError:
            return None
        found.append({path: [texts] if isinstance(texts, str) else texts})
    column = describe_column(path, found)
    is_any = any(row[path] for row in found)
    return dataclasses.replace(column, is_nested=True) if is_any and column.are_lists else None


def _holds_objects(value: Any) -> bool:
    several = value if isinstance(value, list) else [value]
    return all(isinstance(one, Mapping) for one in several)


def is_empty(value: Any) -> bool:
    """Tell whether a row lacks a value."""
    is_no_number = isinstance(value, float) and math.isnan(value)  # Parquet's and JSON's gaps
    return value is None or is_no_number or (isinstance(value, str) and not value.strip())


def as_written(value: Any) -> str:
    """Write a value as a template does."""
    return str(value).strip()


def _is_missing(value: Any) -> bool:
    return isinstance(value, str) and value.strip().casefold() in _MISSING


def _count(pattern: re.Pattern[str], written: Sequence[str]) -> int:
    return sum(pattern.fullmatch(text) is not None for text in written)


def _is_whole(text: str) -> bool:
    return float(text).is_integer()


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
