"""Changes of a row that a task file can ask for, each a row function once its settings are given.

Their source is part of the digest of every task that uses them, as that of any row function is.
"""

import decimal
import math
from collections.abc import Mapping
from typing import Any

from prep.sources.row import Row, RowError
from prep.tasks.patterns import find_pattern, is_match
from prep.tasks.templates import NUMBER, as_text


def value_at(row: Row, path: str) -> Any:
    """Find a value inside a row.

    Args:
        row: The row.
        path: A field, or the way into it with dots: "answers.text" is the text of an object in
            answers, or the list of the texts of the objects there.

    Returns:
        The value.

    Raises:
        RowError: If there is no such value.
    """
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        try:
            value = [one[part] for one in value] if isinstance(value, list) else value[part]
        except (KeyError, TypeError) as error:
            where = f"{path!r} has no {part!r}" if part != path else repr(path)
            raise RowError("missing field", where) from error
    return value


def join_fields(separators: Mapping[str, str], row: Row) -> Row:
    """Make one text of a list.

    Args:
        separators: By field, what to put between the items of its list.
        row: The row.

    Returns:
        The row with these fields as texts; one that is absent stays so.

    Raises:
        RowError: If a field is there and no list of what can be written.
    """
    joined = {}
    for name, separator in separators.items():
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, list | tuple):
            raise RowError("unusable field", f"{name!r} is to be joined and is no list: {value!r}")
        joined[name] = separator.join(as_text(item, name) for item in value)
    return {**row, **joined}


def add_constants(values: Mapping[str, str], row: Row) -> Row:
    """Give every row the same fields.

    Args:
        values: By field.
        row: The row.

    Returns:
        The row with these fields.
    """
    return {**row, **values}


def fill_defaults(values: Mapping[str, str], row: Row) -> Row:
    """Fill fields that a row lacks, or that are empty: null, no text, or "not a number".

    Args:
        values: By field.
        row: The row.

    Returns:
        The row with these fields.
    """
    absent = {name: text for name, text in values.items() if _is_absent(row.get(name))}
    return {**row, **absent}


def _is_absent(value: Any) -> bool:
    return value in (None, "") or (isinstance(value, float) and math.isnan(value))


def keep_matching(patterns: Mapping[str, str], row: Row) -> Row | None:
    """Leave out rows of which a field is not as it should be.

    Args:
        patterns: By field, the regular expression that its whole text must match.
        row: The row.

    Returns:
        The row, None if one does not match.
    """
    for name, pattern in patterns.items():
        if not is_match(pattern, as_text(row.get(name), name)):
            return None
    return row


def skip_matching(patterns: Mapping[str, str], row: Row) -> Row | None:
    """Leave out rows of which a field is of a kind that is not wanted, such as a comment.

    Args:
        patterns: By field, the regular expression that its whole text must not match.
        row: The row.

    Returns:
        The row, None if one matches.
    """
    for name, pattern in patterns.items():
        if is_match(pattern, as_text(row.get(name), name)):
            return None
    return row


def extract_fields(patterns: Mapping[str, tuple[str, str]], row: Row) -> Row:
    """Make fields of what a regular expression finds in others, one after the other.

    Args:
        patterns: By new field, the field to look in, which may be one made before, and the
            regular expression.
        row: The row.

    Returns:
        The row with what the first group found, or the whole expression where it has no group.

    Raises:
        RowError: If it finds nothing.
    """
    made = dict(row)
    for name, (source, pattern) in patterns.items():
        found = find_pattern(pattern, as_text(made.get(source), source))
        if found is None:
            raise RowError("nothing to extract", f"{source!r} has no {pattern!r}")
        made[name] = found.strip()
    return made


def round_fields(steps: Mapping[str, str], row: Row) -> Row:
    """Round numbers to the nearest multiple, as T5 does with the scores of STS-B.

    Args:
        steps: By field, the multiple, such as "0.2"; its decimals are those of the result.
        row: The row.

    Returns:
        The row with these numbers as texts.

    Raises:
        RowError: If a field is no number.
    """
    rounded = {}
    for name, step in steps.items():
        text = as_text(row.get(name), name).strip()
        if not NUMBER.fullmatch(text):
            raise RowError("not a number", f"{name!r} is {row.get(name)!r}")
        multiple = decimal.Decimal(step)
        try:
            # Halves go to the even multiple, as numpy's rounding, which T5 uses, has them.
            count = (decimal.Decimal(text) / multiple).quantize(
                decimal.Decimal(1), decimal.ROUND_HALF_EVEN
            )
            places = max(0, -int(multiple.normalize().as_tuple().exponent))
            value = round(count * multiple, places)
        except (decimal.InvalidOperation, decimal.Overflow) as error:
            raise RowError("not a number", f"{name!r} is {row.get(name)!r}") from error
        rounded[name] = f"{value + 0 if value else abs(value):.{places}f}"
    return {**row, **rounded}
