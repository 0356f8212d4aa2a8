"""A row as a source gives it, and the error of one that cannot be used."""

import re
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
# Blanks, control characters and marks without width, of which a vocabulary makes nothing or what it
# does not know: the first and the last code point of each range.
UNSEEN = (
    *((0x0, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x1680, 0x1680), (0x180E, 0x180E)),
    *((0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_BLANK = re.compile("[" + "".join(f"\\u{low:04x}-\\u{high:04x}" for low, high in UNSEEN) + "]*")


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


def is_blank(text: str) -> bool:
    """Tell whether there is nothing to see in a text.

    Args:
        text: Any text.

    Returns:
        Whether all of it is blanks, control characters and marks without width.
    """
    return not text or not (text[0].isalnum() or _BLANK.fullmatch(text) is None)


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
