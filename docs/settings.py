"""Writes settings.md, the table of every setting of the trainer, from what `--help-all` says.

    python -m docs.settings

A test holds the page and the settings together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.settings.arguments import make_parser

PAGE = Path(__file__).with_name("settings.md")
_HEAD = """# Every setting of the trainer

What `python -m trainer --help-all` says, as a page; `python -m docs.settings` writes it. A setting
is given as `--data.batch_size 64` or in a file of `--config`, as `data: {batch_size: 64}`. What a
study soon wants of them, and pages that explain it, is in [training.md](training.md#settings); what
an adapter method takes under `adapters.settings` is in
[choosing-a-method.md](choosing-a-method.md).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(make_page(), "utf-8")


def make_page() -> str:
    """Make the page: a table for each section, a row for each setting."""
    parts = [_HEAD]
    for group in make_parser()._action_groups:
        rows = list(_rows(group))
        if rows:
            parts.append(f"## {group.title}\n\n| setting | default | |\n|---|---|---|")
            parts[-1] += "".join(f"\n{row}" for row in rows) + "\n"
    return "\n".join(parts)


def _rows(group: Any) -> Iterator[str]:
    for action in group._group_actions:
        if group.title != "options" and action.default != "==SUPPRESS==":
            help_text = re.sub(r"\s+", " ", action.help).replace("|", r"\|")
            yield f"| `{action.dest}` | {_shown(action.default)} | {help_text} |"


def _shown(default: Any) -> str:
    return "" if default in ("", None) else f"`{json.dumps(default)}`".replace('"', "")


if __name__ == "__main__":
    main()
