"""`python -m adapters_tf export|import|merge|bank|embed|list`: what a person does with adapters."""

from __future__ import annotations

import importlib
import sys

from adapters_tf.commands.parsers import make_parser
from adapters_tf.errors import run_command


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    options = make_parser(__doc__).parse_args(argv)
    file, function = options.run_with.split(".")
    getattr(importlib.import_module(f"adapters_tf.commands.{file}"), function)(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
