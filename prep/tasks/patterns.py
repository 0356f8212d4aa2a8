"""Regular expressions of task files: Python's, matched in a time that has an end.

Python's own `re` can be kept busy for hours by a pattern such as "(a+)+b", and nothing can stop it.
The package `regex` can be told when to give up. It reads Python's patterns, but for marks that mean
something only to it, and those are taken literally, as Python does.
"""

import functools
import re
import warnings

import regex

from prep.errors import DataError

SECONDS = 5.0  # of processor time, for one pattern and one row

_FLAGS = regex.DOTALL | regex.VERSION0
# What may stand behind "{": a count. Otherwise the brace is one, and not `regex`'s "{e<=1}".
_COUNT = re.compile(r"\{(\d+(,\d*)?|,\d*)\}")


class SlowPatternError(DataError):
    """A pattern has no answer in time: a fault of the task, not of the row it was tried on."""


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that Python cannot read.

    Args:
        pattern: The regular expression.

    Raises:
        ValueError: If it is none; the text says why.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what "[[" may mean some day
            re.compile(pattern)
        _compiled(pattern)
    except (re.error, regex.error) as error:
        raise ValueError(str(error)) from error


def is_match(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches a whole text.

    Args:
        pattern: A regular expression.
        text: Any text.

    Returns:
        Whether it does.

    Raises:
        SlowPatternError: If there is no answer in `SECONDS`.
    """
    try:
        return _compiled(pattern).fullmatch(text, timeout=SECONDS) is not None
    except TimeoutError as error:
        raise _too_slow(pattern, text) from error


def find_pattern(pattern: str, text: str) -> str | None:
    """Find the first place that a pattern matches.

    Args:
        pattern: A regular expression.
        text: Any text.

    Returns:
        What its first group found, or all of it where it has no group; None if it finds nothing.

    Raises:
        SlowPatternError: If there is no answer in `SECONDS`.
    """
    try:
        found = _compiled(pattern).search(text, timeout=SECONDS)
    except TimeoutError as error:
        raise _too_slow(pattern, text) from error
    return None if found is None else found[1 if found.re.groups else 0] or ""


def _too_slow(pattern: str, text: str) -> SlowPatternError:
    return SlowPatternError(
        f"the pattern {pattern!r} has no answer after {SECONDS:g} seconds for a text of"
        f" {len(text):,} characters; repetitions inside repetitions, such as (a+)+, take that long"
    )


@functools.cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(_as_python_reads(pattern), _FLAGS)


def _as_python_reads(pattern: str) -> str:
    """Put a backslash before braces and brackets that mean nothing to Python."""
    parts: list[str] = []
    set_starts = -1  # where the first member of the "[…]" that is open may stand; none is open
    position = 0
    while position < len(pattern):
        mark = pattern[position]
        count = _COUNT.match(pattern, position)
        if mark == "\\":
            is_named = pattern.startswith("\\N{", position)
            end = pattern.index("}", position) + 1 if is_named else position + 2
            parts.append(pattern[position:end])
            position = end
            continue
        if set_starts < 0 and count:
            parts.append(count[0])
            position = count.end()
            continue
        if set_starts < 0 and mark == "[":
            set_starts = position + 1 + pattern.startswith("^", position + 1)
        elif set_starts >= 0 and mark == "]" and position > set_starts:
            set_starts = -1
        elif mark in "{[":
            mark = f"\\{mark}"
        parts.append(mark)
        position += 1
    return "".join(parts)
