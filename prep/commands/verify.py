"""`prep verify`: every record and checksum of a dataset folder."""

import argparse
from typing import Any

from prep.commands.options import spell_options
from prep.dataset.verification import find_problems
from prep.errors import DataError


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    problems = list(find_problems(arguments.directory))
    for problem in problems:
        print(f"problem: {spell_options(problem)}")
    if problems:
        raise DataError(f"{arguments.directory} is not sound: {len(problems)} problems")
    print(f"{arguments.directory} is sound")


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "verify",
        help="check every record and checksum of a dataset folder",
        description="Check every record and checksum of a dataset folder against its manifest.",
    )
    parser.add_argument("directory", metavar="DIR", help="the dataset folder, local or gs://")
    parser.set_defaults(run=run)
