"""`list`: what adapters a run holds."""

from __future__ import annotations

import argparse

from adapters_tf.runs.listing import describe_run


def list_command(options: argparse.Namespace) -> None:
    """Say what adapters a run holds.

    Args:
        options: Of the command line.
    """
    for line in describe_run(options.run):
        print(line)
