"""Templates over the fields of a row, and which values have a text of their own.

A list, bytes or "not a number" put into a template would become Python's text for it, such as
"['p', 'q']", and a model would be trained on that; such a row is rejected.
"""

import datetime
import math
import numbers
import re
import reprlib
import string
from collections.abc import Callable, Sequence
from typing import Any

from prep.sources.row import Row, RowError

# A number as a file writes it; float() also reads "inf", "1_000" and digits of other scripts.
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_HOLE = "\0"  # where a template's only field goes
_WRITABLE = (str, numbers.Number, datetime.date, datetime.time, datetime.timedelta)
_formatter = string.Formatter()


def fields_of(template: str) -> tuple[str, ...]:
    """List the fields a template names, whatever of them it takes: {a[b]} names a.

    Args:
        template: Such as "question: {question}".

    Returns:
        Their names, repeated as they are.

    Raises:
        ValueError: If it is no template.
    """
    names = (name for _, name, _, _ in _formatter.parse(template) if name is not None)
    return tuple(name.split("[")[0].split(".")[0] for name in names if name)


def compile_template(template: str, prefix: str = "") -> Callable[[Row], str]:
    """Prepare the function that fills a template with the fields of a row.

    Args:
        template: Such as "question: {question}".
        prefix: What to put in front, as it is.

    Returns:
        A function that raises RowError where a field has no text of its own, and whatever
        `str.format_map` raises.
    """
    template = prefix.replace("{", "{{").replace("}", "}}") + template
    holes = [(name, rest) for _, name, *rest in _formatter.parse(template) if name is not None]
    if any(rest != ["", None] or not name.isidentifier() for name, rest in holes):
        return _fill_any(template, [name for name, rest in holes if not rest[1]])
    names = tuple(dict.fromkeys(name for name, _ in holes))
    if len(holes) == 1:
        before, _, after = template.format_map({names[0]: _HOLE}).partition(_HOLE)
        return _fill_one(before, names[0], after)
    fill = template.format_map

    def fill_several(row: Row) -> str:
        for name in names:
            value = row[name]
            if type(value) is not str:
                as_text(value, name)
        return fill(row)

    return fill_several


def _fill_one(before: str, name: str, after: str) -> Callable[[Row], str]:
    def fill(row: Row) -> str:  # half the cost of a template
        value = row[name]
        return f"{before}{value if type(value) is str else as_text(value, name)}{after}"

    return fill


def _fill_any(template: str, holes: Sequence[str]) -> Callable[[Row], str]:
    """Fill holes such as {answers[text]} and {score:.1f}; one with a conversion knows why."""
    fill = template.format_map

    def fill_checked(row: Row) -> str:
        for hole in holes:
            _check_items(hole, row)
            as_text(_formatter.get_field(hole, (), row)[0], hole)
        return fill(row)

    return fill_checked


def _check_items(hole: str, row: Row) -> None:
    """Refuse the item of a text: {choices[0]} of "red or blue" is the letter r."""
    name, *items = re.split(r"\[", hole)
    for item in items:
        value = _formatter.get_field(name, (), row)[0]
        if isinstance(value, str):
            raise RowError("not a list", f"{name!r} is a text, and {hole!r} one of its letters")
        name = f"{name}[{item}"


def as_text(value: Any, name: str) -> str:
    """Write a value as it stands in a text.

    Args:
        value: Of a field.
        name: The field, for the message.

    Returns:
        The text.

    Raises:
        RowError: If only Python has a text for it.
    """
    if value is None:
        raise RowError("missing field", repr(name))
    if not isinstance(value, _WRITABLE):
        hint = "; `join` says how to write a list" if isinstance(value, list | tuple) else ""
        kind = type(value).__name__
        raise RowError("not a text", f"{name!r} is of type {kind}: {reprlib.repr(value)}{hint}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError("not a text", f"{name!r} is {value}, a number that is none")
    return str(value)
