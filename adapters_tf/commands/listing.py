"""`list`: what adapters a run holds, or what becomes of the tensors of a T5."""

from __future__ import annotations

import argparse
from pathlib import Path

from adapters_tf.runs.config import CONFIG_FILE
from adapters_tf.runs.listing import describe_checkpoint, describe_run

MODEL_CONFIG = "config.json"  # as Hugging Face calls it


def list_command(options: argparse.Namespace) -> None:
    """Say what adapters a run holds, or what becomes of a T5's tensors.

    Args:
        options: Of the command line.
    """
    folder = Path(options.run)
    is_run = (folder / CONFIG_FILE).is_file() or not (folder / MODEL_CONFIG).is_file()
    for line in describe_run(folder) if is_run else describe_checkpoint(folder):
        print(line)
