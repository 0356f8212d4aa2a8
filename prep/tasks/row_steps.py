"""Changes of a row that a task file can ask for, each a row function once its settings are given.

Their source is part of the digest of every task that uses them, as that of any row function is.
"""

from collections.abc import Mapping
from typing import Any

from prep.sources.row import Row, RowError
from prep.tasks.templates import as_text


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
            raise RowError("missing field", f"{path!r} has no {part!r}") from error
    return value


def join_fields(separators: Mapping[str, str], row: Row) -> Row:
    """Make one text of a list.

    Args:
        separators: By field, what to put between the items of its list.
        row: The row.

    Returns:
        The row with these fields as texts; one that is a text already stays.

    Raises:
        RowError: If a field is there and no list of what can be written.
    """
    joined = {}
    for name, separator in separators.items():
        value = row.get(name)
        if value is None or isinstance(value, str):
            continue
        if not isinstance(value, list | tuple):
            raise RowError("unusable field", f"{name!r} is to be joined and is no list: {value!r}")
        joined[name] = separator.join(as_text(item, name) for item in value)
    return {**row, **joined}
