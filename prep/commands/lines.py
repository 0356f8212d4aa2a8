"""Lines for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

_COLUMNS = 80


def wrap_line(line: str) -> str:
    """Break a line at blanks, so that a terminal of 80 columns need not.

    Args:
        line: To print.

    Returns:
        The same, or several lines, the later ones further to the right.
    """
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(
        line,
        _COLUMNS,
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
