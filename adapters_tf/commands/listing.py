"""`list`: what adapters a run holds, or what becomes of the tensors of a T5."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from adapters_tf.backbone.model_config import CONFIG_FILE as MODEL_CONFIG
from adapters_tf.files.local_paths import typed_path
from adapters_tf.runs.config import CONFIG_FILE
from adapters_tf.runs.listing import describe_checkpoint, describe_run


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("list", help="say what adapters a run holds")
    parser.add_argument(
        "run",
        type=typed_path,
        help="run folder that the trainer wrote; or a T5's, for what becomes of its tensors",
    )
    parser.set_defaults(run_with=list_command)


def list_command(options: argparse.Namespace) -> None:
    """Say what adapters a run holds, or what becomes of a T5's tensors.

    Args:
        options: Of the command line.
    """
    folder = Path(options.run)
    is_run = (folder / CONFIG_FILE).is_file() or not (folder / MODEL_CONFIG).is_file()
    for line in describe_run(folder) if is_run else describe_checkpoint(folder):
        print(line)
