"""The errors a wrong model or adapter setting raises."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigurationError(ValueError):
    """A setting the user chose cannot work; commands exit with code 2."""

    exit_code = 2


class WeightsError(ValueError):
    """A file of weights does not hold what it should; commands exit with code 1."""

    exit_code = 1


def suggest(name: str, valid: Iterable[str]) -> str:
    """Name the nearest valid value, or all of them.

    Args:
        name: What the user wrote.
        valid: What would have been accepted.

    Returns:
        A phrase to end an error message with.
    """
    choices = [str(choice) for choice in valid]
    near = difflib.get_close_matches(str(name), choices, n=1)
    return f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(choices)}"
