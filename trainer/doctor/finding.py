"""One thing that was looked at, and how it is printed."""

from __future__ import annotations

import dataclasses
import json
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

OK, WARNING, FAULT = "ok", "warning", "fault"
WIDTH = 80
_MARGIN = len(WARNING) + 2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        status: One of `ok`, `warning` (a run may go wrong) and `fault` (a run cannot go right).
        about: What was looked at, in a word or two.
        what: What was found.
        mend: The command that mends it, or what to do; empty where nothing is to be done.
    """

    status: str
    about: str
    what: str
    mend: str = ""

    def lines(self) -> list[str]:
        """Lay the finding out in lines of 80 columns; a word that is longer stays whole."""
        lines = _wrap(f"{self.status:<{_MARGIN}}", f"{self.about}: {self.what}")
        return lines + (_wrap(" " * _MARGIN + "→ ", self.mend) if self.mend else [])


def summarise(findings: Sequence[Finding]) -> str:
    """Count what was found, in one line.

    Args:
        findings: All of them.

    Returns:
        Such as "12 checks: 1 fault, 2 warnings".
    """
    counts = [
        f"{count} {status}{'s' if count > 1 else ''}"
        for status in (FAULT, WARNING)
        if (count := sum(one.status == status for one in findings))
    ]
    return (
        f"{len(findings)} check{'s' * (len(findings) > 1)}: {', '.join(counts) or 'nothing wrong'}"
    )


def report_in_json(findings: Sequence[Finding]) -> str:
    """Write the findings down for a program, or for who is told of a fault.

    Args:
        findings: All of them.

    Returns:
        An object with the findings, the Python and the platform.
    """
    report = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def _wrap(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
