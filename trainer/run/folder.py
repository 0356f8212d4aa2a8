"""The run folder: its config.yaml, written once and compared ever after."""

from __future__ import annotations

import shutil
from pathlib import Path

from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from adapters_tf.runs.config import CHECKPOINTS, CONFIG_FILE, config_text, read_config
from adapters_tf.runs.provenance import find_commit, list_versions
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import FROZEN_FOLDER
from prep.storage.durable_files import write_atomically
from trainer.run.export import BACKBONE_FOLDER
from trainer.settings.checks import check_same_run


def check_run_folder(settings: ResolvedRun) -> None:
    """Make sure that a run folder, if it is there, belongs to these settings.

    One without any checkpoint protects nothing: a first try that was ended may be followed by
    another with other settings.

    Args:
        settings: Of the run.

    Raises:
        UsageError: The folder is of another configuration.
        WeightsError: Its config.yaml cannot be read.
    """
    folder = Path(settings.run)
    if (folder / CONFIG_FILE).exists():
        old = read_config(folder)
        if old.bank_of or not _is_empty_try(folder):
            check_same_run(old, settings, folder.name)


def create_run(settings: ResolvedRun) -> Path:
    """Create the run folder with its config.yaml, unless it is there with a checkpoint.

    Args:
        settings: Of the run.

    Returns:
        The run folder.
    """
    folder = Path(settings.run)
    if not (folder / CONFIG_FILE).exists() or _is_empty_try(folder):
        shutil.rmtree(folder / FROZEN_FOLDER, ignore_errors=True)  # of other settings, perhaps
        folder.mkdir(parents=True, exist_ok=True)
        provenance = {"commit": find_commit(), "versions": list_versions()}
        write_atomically(folder / CONFIG_FILE, config_text(settings, provenance).encode())
    return folder


def has_begun(settings: ResolvedRun) -> bool:
    """Tell whether a run has a checkpoint to go on from."""
    return _has_checkpoint(Path(settings.run), "last")


def _is_empty_try(folder: Path) -> bool:
    """Tell whether nothing was learned in a run folder yet, and nothing exported."""
    is_exported = (folder / ADAPTERS_FOLDER).exists() or (folder / BACKBONE_FOLDER).exists()
    return not is_exported and not any(_has_checkpoint(folder, name) for name in CHECKPOINTS)


def _has_checkpoint(folder: Path, name: str) -> bool:
    return any((folder / CHECKPOINTS[name]).glob("*.index"))
