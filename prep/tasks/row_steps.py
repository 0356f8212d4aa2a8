"""Changes of a row that a task file can ask for, each a row function once its settings are given.

Their source is part of the digest of every task that uses them, as that of any row function is.
"""

from collections.abc import Mapping

from prep.sources.row import Row, RowError
from prep.tasks.templates import as_text


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
