"""Add, rename and drop tasks of a trained bank; the rows that stay are copied bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER, read_task
from adapters_tf.files.bucket_runs import is_in_bucket
from adapters_tf.files.tensors import write_text
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.model.heads import HeadShape, read_heads
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.config import CHECKPOINTS, CONFIG_FILE, config_text
from adapters_tf.runs.loading import LoadedRun, build_model, trainable_checkpoint
from adapters_tf.runs.settings import ResolvedHeads, ResolvedRun
from adapters_tf.runs.sources import hand_on_sources
from adapters_tf.task_adapters.folder import assign_tasks, check_settings, save_task, task_tensors
from adapters_tf.task_adapters.head_files import (
    assign_head,
    has_head,
    head_tensors,
    load_head,
    read_head,
)


def edit_names(
    names: Sequence[str],
    *,
    add: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
) -> dict[str, str | None]:
    """Work out the tasks of an edited bank.

    Args:
        names: The tasks it has.
        add: New ones, at the end.
        rename: New names by old ones; the order stays.
        drop: Those to leave out.

    Returns:
        By name in the new bank, the name in the old one; None for a task that is added.

    Raises:
        ConfigurationError: A task to rename or drop that is not there, one task twice, or no task
            left.
    """
    rename = rename or {}
    for name in (*rename, *drop):
        if name not in names:
            raise ConfigurationError(f"the bank has no task {name!r}; {suggest(name, names)}")
    kept = [(rename.get(name, name), name) for name in names if name not in drop]
    tasks: dict[str, str | None] = {}
    for new, old in (*kept, *((name, None) for name in add)):
        if new in tasks:
            raise ConfigurationError(f"the bank would have two tasks of the name {new!r}")
        tasks[new] = old
    if not tasks:
        raise ConfigurationError("the bank would have no task left")
    return tasks


def edit_bank(
    run: LoadedRun, tasks: Mapping[str, str | None], folders: Mapping[str, str]
) -> tuple[TaskModel, ResolvedRun]:
    """Build the model of an edited bank.

    Args:
        run: Opened.
        tasks: From `edit_names`.
        folders: By added task, the folder of its adapter.

    Returns:
        The model, and its settings.

    Raises:
        WeightsError: A folder does not fit the bank.
    """
    settings = replace(
        run.settings.without_files(),
        tasks=tuple(tasks),
        heads=_edit_heads(run.settings.heads, tasks, folders),
    )
    model = build_model(settings, directory=run.directory)
    adapters, trained = {}, model.trainable_by_path()
    for new, old in tasks.items():
        if old is None:
            check_settings(model, folders[new])
            adapters[new] = (folders[new], _used(read_task(folders[new]), trained))
        else:
            tensors = task_tensors(run.model, old)
            adapters[new] = (f"{run.directory} ({old})", _used(tensors, trained))
    assign_tasks(model, adapters)
    for new, old in tasks.items():
        if model.has_head(new) and old is None:
            load_head(model, new, folders[new])
        elif model.has_head(new) and old is not None:
            assign_head(model, new, head_tensors(run.model, old), f"{run.directory} ({old})")
    return model, settings


def _used(
    tensors: Mapping[str, np.ndarray], trained: Mapping[str, tf.Variable]
) -> dict[str, np.ndarray]:
    """Leave out the decoder's adapters where heads answer all tasks, and it does not train."""
    return {
        path: tensor
        for path, tensor in tensors.items()
        if path in trained or not path.startswith("decoder.")
    }


def _edit_heads(
    heads: ResolvedHeads, tasks: Mapping[str, str | None], folders: Mapping[str, str]
) -> ResolvedHeads:
    """Tell what heads answer where tasks were added, renamed or dropped."""
    found = read_heads(heads.kinds, heads.answers, heads.words)
    kept = {new: found[old] for new, old in tasks.items() if old in found}
    shape = HeadShape(heads.pooling, heads.layers)
    for new, old in tasks.items():
        if old is None and has_head(folders[new]):
            kept[new], theirs = read_head(folders[new])
            if found and replace(theirs, dropout=shape.dropout) != shape:
                raise WeightsError(
                    f"{folders[new]} has a head of {theirs.pooling} and {theirs.layers} layers, "
                    f"and the bank's are of {shape.pooling} and {shape.layers}"
                )
            heads = replace(heads, pooling=theirs.pooling, layers=theirs.layers)
    return replace(
        heads,
        tasks=[task for task in tasks if task in kept],
        kinds={task: kept[task].kind for task in tasks if task in kept},
        answers={task: kept[task].answers for task in tasks if task in kept},
        words={task: list(kept[task].words) for task in tasks if task in kept and kept[task].words},
        class_weights={},
    )


def write_run(
    model: TaskModel,
    settings: ResolvedRun,
    origin: Path,
    step: int,
    out: Path,
    exports: str = "",
) -> None:
    """Write a run folder that can be scored, exported from and merged, but not trained further.

    Args:
        model: With the weights to write.
        settings: Of the model.
        origin: The run its weights come from; noted in config.yaml, which keeps the trainer from
            taking the folder for a run of its own.
        step: The steps behind the weights.
        out: The folder; new, or empty.
        exports: To which formats its adapters can go, for the reader.

    Raises:
        ConfigurationError: Something is there.
        OSError: The disk refuses; nothing is there then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out} holds something already; choose a new folder")
    name = settings.run if is_in_bucket(settings.run) else str(origin.resolve())
    described = replace(settings, run=str(out.resolve()), bank_of=name)
    checkpoint = trainable_checkpoint(model, step=tf.Variable(step, dtype=tf.int64))
    with replaced_folder(out) as partial:
        for task in model.task_names:
            save_task(model, task, partial / ADAPTERS_FOLDER / task)
        hand_on_sources(origin, partial)
        tf.train.CheckpointManager(checkpoint, str(partial / CHECKPOINTS["best"]), 1).save(step)
        provenance = {"exports": exports} if exports else {}
        write_text(partial / CONFIG_FILE, config_text(described, provenance))
