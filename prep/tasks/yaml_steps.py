"""What a task file asks for to be done with rows before they are worded, in this order."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from prep.sources.declarations import RowFunction
from prep.tasks.row_steps import (
    add_constants,
    extract_fields,
    fill_defaults,
    join_fields,
    keep_matching,
    round_fields,
    skip_matching,
)
from prep.tasks.yaml_values import Value, YamlReader, shown

STEPS = ("constants", "defaults", "keep", "skip", "extract", "join", "round")


def read_steps(reader: YamlReader, keys: Mapping[str, Value]) -> tuple[RowFunction, ...]:
    """Read the steps of a task.

    Args:
        reader: Of the task file.
        keys: Of the task.

    Returns:
        Row functions, in the order in which they are applied.

    Raises:
        UsageError: If one is not as expected.
    """
    readers: dict[str, Callable[[YamlReader, Value], RowFunction]] = {
        "constants": lambda _, value: functools.partial(add_constants, _texts(reader, value)),
        "defaults": lambda _, value: functools.partial(fill_defaults, _texts(reader, value)),
        "keep": lambda _, value: functools.partial(keep_matching, _patterns(reader, value)),
        "skip": lambda _, value: functools.partial(skip_matching, _patterns(reader, value)),
        "extract": _extract,
        "join": lambda _, value: functools.partial(join_fields, _texts(reader, value)),
        "round": _round,
    }
    return tuple(readers[step](reader, keys[step]) for step in STEPS if step in keys)


def columns_needed(
    reader: YamlReader, keys: Mapping[str, Value], named: Sequence[str]
) -> tuple[str, ...]:
    """List the columns that files must have: what is named, less what steps make of others.

    Args:
        reader: Of the task file.
        keys: Of the task.
        named: Fields that the templates name.

    Returns:
        Names of columns.
    """
    made: set[str] = set()
    needed: list[str] = []
    for step in STEPS:
        for field, value in reader.mapping(keys[step]).items() if step in keys else ():
            source = reader.mapping(value)["from"].content if step == "extract" else field
            if step not in ("constants", "defaults") and source not in made:
                needed.append(source)
            if step in ("constants", "defaults", "extract"):
                made.add(field)
    needed += [field for field in named if field not in made]
    return tuple(dict.fromkeys(needed))


def _texts(reader: YamlReader, value: Value) -> dict[str, str]:
    texts = reader.mapping(value)
    for text in texts.values():
        if not isinstance(text.content, str):
            reader.fail(text.line, f"expected a text, found {shown(text)}")
    return {name: text.content for name, text in texts.items()}


def _patterns(reader: YamlReader, value: Value) -> dict[str, str]:
    return {name: _pattern(reader, inner) for name, inner in reader.mapping(value).items()}


def _pattern(reader: YamlReader, value: Value) -> str:
    pattern = reader.text(value)
    try:
        re.compile(pattern)
    except re.error as error:
        reader.fail(value.line, f"{pattern!r} is no regular expression: {error}")
    return pattern


def _extract(reader: YamlReader, value: Value) -> RowFunction:
    patterns = {}
    for name, inner in reader.mapping(value).items():
        keys = reader.mapping(inner, ("from", "pattern"))
        if len(keys) < 2:
            reader.fail(inner.line, "expected 'from', a field, and 'pattern'")
        patterns[name] = (reader.text(keys["from"]), _pattern(reader, keys["pattern"]))
    return functools.partial(extract_fields, patterns)


def _round(reader: YamlReader, value: Value) -> RowFunction:
    steps = reader.text_of_text(value)
    for name, inner in reader.mapping(value).items():
        try:
            is_step = Decimal(steps[name]).is_finite() and Decimal(steps[name]) > 0
        except InvalidOperation:
            is_step = False
        if not is_step:
            reader.fail(inner.line, f"expected what to round to, such as 0.2, found {shown(inner)}")
    return functools.partial(round_fields, steps)
