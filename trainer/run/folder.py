"""The run folder: its config.yaml, written once and compared ever after."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from adapters_tf.runs.checkpoints import list_checkpoints
from adapters_tf.runs.config import (
    CHECKPOINTS,
    CONFIG_FILE,
    config_text,
    read_config,
    read_provenance,
)
from adapters_tf.runs.provenance import find_commit, list_versions
from adapters_tf.runs.sections import DataConfig, OptimizerConfig
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import FROZEN_FOLDER
from prep import DataError, UsageError
from prep.storage.durable_files import write_atomically
from trainer.run.export import BACKBONE_FOLDER
from trainer.settings.checks import check_same_run
from trainer.settings.memory import AUTO


def check_run_folder(settings: ResolvedRun) -> None:
    """Make sure that a run folder, if it is there, belongs to these settings.

    One without any checkpoint protects nothing: a first try that was ended may be followed by
    another with other settings.

    Args:
        settings: Of the run.

    Raises:
        UsageError: The folder is of another configuration.
        WeightsError: Its config.yaml cannot be read.
        DataError: It has checkpoints and no config.yaml.
    """
    folder = Path(settings.run)
    if (folder / CONFIG_FILE).exists():
        old = read_config(folder)
        if old.bank_of:
            raise UsageError(
                f"run folder {folder.name} was made of {old.bank_of} by add-task or by editing its "
                "bank: its rows had steps of their own, so no one schedule goes on with it; train "
                f"a new --run with --adapters.start_from {folder}, or grow it by add-task"
            )
        if not _is_empty_try(folder):
            check_same_run(old, settings, folder.name)
        found = list_checkpoints(folder / CHECKPOINTS["last"])
        done = found[0][0] if found else 0
        if done > settings.training.steps:
            raise UsageError(
                f"training.steps is {settings.training.steps}, and run folder {folder.name} has "
                f"{done} steps behind it"
            )
    elif has_begun(settings):
        raise DataError(
            f"{folder / CONFIG_FILE} is missing, and there are checkpoints: nothing says of which "
            "settings they are; put it back, choose another --run or remove the folder"
        )


def keep_lengths(settings: ResolvedRun, asked: DataConfig) -> ResolvedRun:
    """Let a run go on with the lengths and the memory limit it has, where none are asked for.

    Args:
        settings: Of the run, resolved by what the dataset holds and the machine has now.
        asked: What the user wrote; a length of 0 asks for none, nor does a limit of `auto`.

    Returns:
        A copy.

    Raises:
        WeightsError: The run folder's config.yaml cannot be read.
    """
    if not has_begun(settings) or not (Path(settings.run) / CONFIG_FILE).exists():
        return settings
    old = read_config(settings.run).data
    kept = {
        name: getattr(old, name)
        for name in ("input_length", "target_length")
        if not getattr(asked, name) and getattr(old, name)
    }
    if asked.memory_limit == AUTO:
        kept["memory_limit"] = old.memory_limit
    return replace(settings, data=replace(settings.data, **kept))


def keep_warmup(settings: ResolvedRun, asked: OptimizerConfig) -> ResolvedRun:
    """Let a run that has more steps now go on with the warm-up it has, where steps name none.

    Args:
        settings: Of the run, resolved by how long it is now.
        asked: What the user wrote: steps, or a share of the run.

    Returns:
        A copy.

    Raises:
        WeightsError: The run folder's config.yaml cannot be read.
    """
    is_text = isinstance(asked.warmup_steps, str)
    if not is_text or not has_begun(settings) or not (Path(settings.run) / CONFIG_FILE).exists():
        return settings
    steps = read_config(settings.run).optimizer.warmup_steps
    return replace(settings, optimizer=replace(settings.optimizer, warmup_steps=steps))


def create_run(settings: ResolvedRun, exports: str = "", known_as: str = "") -> Path:
    """Create the run folder with its config.yaml, unless it is there with a checkpoint.

    Then the file stays, but for where things lie now, and how many steps there are in all.

    Args:
        settings: Of the run.
        exports: To which formats its adapters can go, for the reader.
        known_as: Where others find the folder, if it is the copy of one in a bucket.

    Returns:
        The run folder.
    """
    folder = Path(settings.run)
    settings = replace(settings, run=known_as or settings.run)
    if not (folder / CONFIG_FILE).exists() or _is_empty_try(folder):
        shutil.rmtree(folder / FROZEN_FOLDER, ignore_errors=True)  # of other settings, perhaps
        folder.mkdir(parents=True, exist_ok=True)
        provenance: dict[str, Any] = {"commit": find_commit(), "versions": list_versions()}
        if exports:
            provenance["exports"] = exports
        write_atomically(folder / CONFIG_FILE, config_text(settings, provenance).encode())
        return folder
    old = read_config(folder)
    now = _moved(old, settings)
    if now != old:
        text = config_text(now, read_provenance(folder))
        write_atomically(folder / CONFIG_FILE, text.encode())
    return folder


def _moved(old: ResolvedRun, new: ResolvedRun) -> ResolvedRun:
    """Take over from new settings of the same run where things lie, and its length."""
    return replace(
        old,
        dataset=new.dataset,
        run=new.run,
        model=replace(old.model, backbone=new.model.backbone),
        adapters=new.adapters,
        optimizer=replace(old.optimizer, schedule_steps=new.optimizer.schedule_steps),
        training=replace(old.training, steps=new.training.steps),
        fingerprints={**new.fingerprints, **old.fingerprints},
    )


def copy_parts(folder: Path, target: Path, names: Iterable[str]) -> None:
    """Copy files and folders out of a run folder, those that are there.

    Args:
        folder: The run folder.
        target: Where to; made if absent.
        names: Of what is wanted.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, target / name)
        elif (folder / name).exists():
            shutil.copy2(folder / name, target / name)


def has_begun(settings: ResolvedRun) -> bool:
    """Tell whether a run has a checkpoint to go on from."""
    return _has_checkpoint(Path(settings.run), "last")


def _is_empty_try(folder: Path) -> bool:
    """Tell whether nothing was learned in a run folder yet, and nothing exported."""
    is_exported = (folder / ADAPTERS_FOLDER).exists() or (folder / BACKBONE_FOLDER).exists()
    return not is_exported and not any(_has_checkpoint(folder, name) for name in CHECKPOINTS)


def _has_checkpoint(folder: Path, name: str) -> bool:
    return bool(list_checkpoints(folder / CHECKPOINTS[name]))
