"""The run folder: its config.yaml, written once and compared ever after."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from adapters_tf.runs.config import CHECKPOINTS, CONFIG_FILE, config_text, read_config
from adapters_tf.runs.provenance import find_commit, list_versions
from adapters_tf.runs.settings import ResolvedRun
from prep.storage.durable_files import write_atomically
from trainer.settings.checks import check_same_run


def check_run_folder(settings: ResolvedRun) -> None:
    """Make sure that a run folder, if it is there, belongs to these settings.

    Args:
        settings: Of the run.

    Raises:
        UsageError: The folder is of another configuration.
        WeightsError: Its config.yaml cannot be read.
    """
    folder = Path(settings.run)
    if (folder / CONFIG_FILE).exists():
        check_same_run(read_config(folder), settings, folder.name)


def create_run(settings: ResolvedRun) -> Path:
    """Create the run folder with its config.yaml, unless it is there.

    Args:
        settings: Of the run.

    Returns:
        The run folder.
    """
    folder = Path(settings.run)
    if not (folder / CONFIG_FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        provenance = {"commit": find_commit(), "versions": list_versions()}
        write_atomically(folder / CONFIG_FILE, config_text(settings, provenance).encode())
    return folder


def has_begun(settings: ResolvedRun) -> bool:
    """Tell whether a run has a checkpoint to go on from."""
    folder = Path(settings.run) / CHECKPOINTS["last"]
    return tf.train.latest_checkpoint(str(folder)) is not None
