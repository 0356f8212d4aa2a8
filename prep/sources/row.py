"""A row as a source gives it, and the error of one that cannot be used."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


class RowError(ValueError):
    """A row that cannot become an example; it is counted and quarantined.

    Args:
        reason: The kind of fault, the same for all rows that have it.
        detail: What exactly was found in this row.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = str(reason)
        self.detail = str(detail)


class BlankLineError(RowError):
    """A line with nothing in it: no row, and none that was rejected."""

    def __init__(self) -> None:
        super().__init__("blank line")


def as_row_error(error: Exception) -> RowError:
    """Take whatever a row made some code raise for a fault of that row.

    Args:
        error: What was raised.

    Returns:
        The same for a RowError, else one that tells the error's type and text.
    """
    if isinstance(error, RowError):
        return error
    is_usual = isinstance(error, LookupError | TypeError | ValueError | AttributeError)
    reason = "unusable field" if is_usual else "unusable row"
    return RowError(reason, f"{type(error).__name__} {error}".strip())


def shown_row(row: Any) -> bytes:
    """Write down whatever stands for a row, to tell equal ones.

    Args:
        row: A row, or what a source gave in place of one.

    Returns:
        Its content as Python shows it.
    """
    try:
        return repr(row).encode("utf-8", "backslashreplace")
    except Exception as error:  # such as nested too deeply
        return f"{type(row).__name__}: {type(error).__name__}".encode()


def check_text(text: str) -> None:
    """Refuse a text that no encoding can write.

    Args:
        text: Any text.

    Raises:
        RowError: If it holds half a surrogate pair, as a broken emoji in JSON does.
    """
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X} after {error.start} characters"
        raise RowError("lone surrogate", found) from error
