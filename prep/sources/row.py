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
        self.reason = reason
        self.detail = detail
