"""`python -m adapters_tf export|import|merge|bank|embed|list`: what a person does with adapters."""

from __future__ import annotations

import sys

from adapters_tf.commands import bank, embed, exchange, listing, merge
from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.errors import run_command

COMMANDS = (exchange, merge, bank, embed, listing)


def make_parser() -> OneLineParser:
    """Build the command line."""
    parser = OneLineParser(prog="python -m adapters_tf", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(argv)
    options.run_with(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
