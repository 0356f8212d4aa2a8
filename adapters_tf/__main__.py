"""`python -m adapters_tf export|import|merge|bank|embed|list`: what a person does with adapters."""

from __future__ import annotations

import sys

from adapters_tf.commands import bank, embed, exchange, listing, merge
from adapters_tf.commands.arguments import OneLineParser

INTERRUPTED = 130


def make_parser() -> OneLineParser:
    """The command line."""
    parser = OneLineParser(prog="python -m adapters_tf", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (exchange, merge, bank, embed, listing):
        command.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code: 0, 2 for what cannot be asked, 1 for data that is not what it should be.
    """
    try:
        options = make_parser().parse_args(argv)
        options.command(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
