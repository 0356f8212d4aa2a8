"""What a task file asks for to be done with rows before they are worded, in this order."""

import functools
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from prep.errors import nearest
from prep.sources.declarations import RowFunction
from prep.sources.row import Row
from prep.tasks.patterns import check_pattern
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


class Step(functools.partial[Row | None]):
    """A row function that knows where it was asked for.

    Attributes:
        place: Its key, with the line and the file.
    """

    place: str


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
    readers: dict[str, tuple[Callable[..., Row | None], Callable[..., Mapping]]] = {
        "constants": (add_constants, _texts),
        "defaults": (fill_defaults, _texts),
        "keep": (keep_matching, _patterns),
        "skip": (skip_matching, _patterns),
        "extract": (extract_fields, _sources_and_patterns),
        "join": (join_fields, _texts),
        "round": (round_fields, _multiples),
    }
    steps = []
    for name in STEPS:
        if name in keys:
            function, read = readers[name]
            step = Step(function, read(reader, keys[name]))
            step.place = f"{name} in line {keys[name].line} of {reader.path.name}"
            steps.append(step)
    return tuple(steps)


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


def check_fields_made(reader: YamlReader, keys: Mapping[str, Value], named: Sequence[str]) -> None:
    """Refuse a step whose field nothing reads: it would have no effect.

    Args:
        reader: Of the task file.
        keys: Of the task, of which `read_steps` had nothing to say.
        named: Fields that rows are worded by.

    Raises:
        UsageError: It tells the nearest field that is read.
    """
    read = set(named)
    for step in reversed([step for step in STEPS if step in keys]):
        for field, value in reversed(keys[step].content.items()):
            if step in ("keep", "skip"):
                read.add(field)
            elif field not in read:
                hint = nearest(field, read)
                reader.fail(value.line, f"nothing reads {field!r}, which {step} makes; {hint}")
            if step == "extract":
                read.add(value.content["from"].content)


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
        check_pattern(pattern)
    except ValueError as error:
        reader.fail(value.line, f"{pattern!r} is no regular expression: {error}")
    return pattern


def _sources_and_patterns(reader: YamlReader, value: Value) -> dict[str, tuple[str, str]]:
    patterns = {}
    for name, inner in reader.mapping(value).items():
        keys = reader.mapping(inner, ("from", "pattern"))
        if len(keys) < 2:
            reader.fail(inner.line, "expected 'from', a field, and 'pattern'")
        patterns[name] = (reader.text(keys["from"]), _pattern(reader, keys["pattern"]))
    return patterns


def _multiples(reader: YamlReader, value: Value) -> dict[str, str]:
    steps = reader.text_of_text(value)
    for name, inner in reader.mapping(value).items():
        try:
            is_step = Decimal(steps[name]).is_finite() and Decimal(steps[name]) > 0
        except InvalidOperation:
            is_step = False
        if not is_step:
            reader.fail(inner.line, f"expected what to round to, such as 0.2, found {shown(inner)}")
    return steps
