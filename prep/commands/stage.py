"""`prep stage`: a dataset folder into a bucket."""

import argparse
from typing import Any

from prep.commands.options import parse_local


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    from prep.dataset.staging import describe_staging, stage_dataset  # loads Google's client

    summary = stage_dataset(
        arguments.directory, arguments.address, arguments.workers, arguments.give_up_after
    )
    for line in describe_staging(summary, arguments.address):
        print(line)


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "stage",
        help="copy a dataset folder to a bucket",
        description="Copy a dataset folder to a bucket. Run again, it sends only what differs; one "
        "that was interrupted leaves nothing that a reader would take for a dataset.",
    )
    parser.add_argument(
        "directory", type=parse_local, metavar="DIR", help="the local dataset folder"
    )
    parser.add_argument("address", metavar="gs://BUCKET/PREFIX", help="where it shall be")
    parser.add_argument(
        "--workers",
        type=int,
        default=8,
        metavar="N",
        help="uploads at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--give-up-after",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="without progress; what is missing is told then (default: %(default)g)",
    )
    parser.set_defaults(run=run)
