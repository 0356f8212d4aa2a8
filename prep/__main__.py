"""The command line: `python -m prep init|build|tasks|inspect|verify|stage|train-vocabulary`."""

import argparse
import sys
from collections.abc import Sequence

from prep.commands import build, init, inspect, stage, tasks, train_vocabulary, verify
from prep.commands.options import spell_options
from prep.commands.parser import OneLineParser
from prep.errors import DataError, UsageError, run_command
from prep.quiet import quiet_libraries

COMMANDS = (init, build, tasks, inspect, verify, stage, train_vocabulary)


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    quiet_libraries()
    arguments = read_arguments(sys.argv[1:] if argv is None else argv)
    try:
        arguments.run(arguments)
    except (UsageError, DataError) as error:
        error.args = (spell_options(str(error)),)
        raise
    return 0


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line.

    Args:
        argv: What comes after the program's name.

    Returns:
        The options of one command, and as `run` the function that takes them.
    """
    return make_parser().parse_args(build.join_beam_options(argv))


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(
        prog="python -m prep", description="Turn raw tasks into a dataset folder of token ids."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
