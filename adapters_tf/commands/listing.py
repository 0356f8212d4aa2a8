"""`list`: what adapters a run holds."""

from __future__ import annotations

import argparse
from typing import Any

from adapters_tf.runs.listing import describe_run


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("list", help="say what adapters a run holds")
    parser.add_argument("run", help="run folder that the trainer wrote")
    parser.set_defaults(run_with=list_command)


def list_command(options: argparse.Namespace) -> None:
    """Say what adapters a run holds.

    Args:
        options: Of the command line.
    """
    for line in describe_run(options.run):
        print(line)
