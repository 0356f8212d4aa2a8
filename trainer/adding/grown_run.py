"""The run folder of a grown run: the rows that were there bit for bit, and the new one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel, build_model, save_task
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.interop import describe_formats, export_formats
from adapters_tf.runs.checkpoints import BEST_FILE
from adapters_tf.runs.config import CHECKPOINTS, CONFIG_FILE, config_text
from adapters_tf.runs.loading import trainable_checkpoint
from adapters_tf.runs.provenance import find_commit, list_versions
from adapters_tf.runs.settings import ResolvedHeads, ResolvedRun
from adapters_tf.runs.sources import hand_on_sources
from prep import DataError
from trainer.adding.trained_run import Saved, TrainedRun
from trainer.optimizers.taskwise import TaskwiseOptimizer
from trainer.parts import make_optimizer
from trainer.run.best_rows import BY_TASK
from trainer.run.folder import copy_parts
from trainer.run.metrics_log import LOGS_FOLDER, METRICS_FILE

ADDED_FOLDER = "added"  # of a grown run: by task, the log of its training
_LOGS = (METRICS_FILE, LOGS_FOLDER)


def write_grown_run(
    origin: ResolvedRun,
    run: TrainedRun,
    row: ResolvedRun,
    trained: TrainedRun,
    out: Path,
    names: tuple[str, str] | None = None,
) -> None:
    """Write a run folder with one task more than another.

    Args:
        origin: The settings of the run that grows.
        run: What it has learned.
        row: The settings that the new task's row was trained with, alone.
        trained: What was learned of it.
        out: The folder, which is not there.
        names: Where others find the run that grows and the new one; by default where they are.

    Raises:
        DataError: The checkpoints do not go together.
        OSError: The disk refuses; nothing is there then.
    """
    (task,) = row.tasks
    origin_name, own_name = names or (str(run.directory), str(out))
    settings = replace(
        origin.without_files(),
        dataset=row.dataset,
        run=own_name,
        tasks=(*origin.tasks, task),
        heads=_with_head(origin.heads, row.heads),
        bank_of=origin_name,
        fingerprints={**origin.fingerprints, **_of_task(row.fingerprints, task)},
    )
    model = build_model(settings, directory=run.directory)
    optimizer = make_optimizer(settings, model, is_compiled=False)
    with replaced_folder(out) as partial:
        # Where heads answer some tasks only, the new one lacks variables that slots are counted by.
        is_alike = run.best.weights.keys() == trained.best.weights.keys() | _shared_paths(model)
        if run.last is not None and trained.last is not None and is_alike:
            _assign(model, run.last, trained.last)
            _assign_slots(model, optimizer, run.last, trained.last)
            _save(model, partial / CHECKPOINTS["last"], run.last.step, optimizer)
        _assign(model, run.best, trained.best)
        _save(model, partial / CHECKPOINTS["best"], run.best.step)
        record = _best_record(run.directory, trained.directory, task, trained.best.step)
        (partial / BEST_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for name in settings.tasks:
            exported, target = (one / ADAPTERS_FOLDER / name for one in (run.directory, partial))
            if exported.is_dir():
                shutil.copytree(exported, target)
            else:
                save_task(model, name, target)
        hand_on_sources(run.directory, partial)
        _hand_on_logs(run.directory, trained.directory, partial, task)
        provenance: dict[str, Any] = {
            "commit": find_commit(),
            "versions": list_versions(),
            "exports": describe_formats(export_formats(model)),
        }
        (partial / CONFIG_FILE).write_text(config_text(settings, provenance), encoding="utf-8")


def _shared_paths(model: TaskModel) -> set[str]:
    """List what trains and has no row per task."""
    return {
        path for path, variable in model.trainable_by_path().items() if not model.is_bank(variable)
    }


def _with_head(old: ResolvedHeads, new: ResolvedHeads) -> ResolvedHeads:
    """Add a task's head, if it has one; all are built alike."""
    if not new.kinds:
        return old
    weights = [one.class_weights for one in (old, new) if isinstance(one.class_weights, dict)]
    return replace(
        old,
        tasks=[*old.kinds, *new.kinds],
        kinds={**old.kinds, **new.kinds},
        answers={**old.answers, **new.answers},
        words={**old.words, **new.words},
        class_weights={task: one for given in weights for task, one in given.items()},
    )


def _of_task(fingerprints: Mapping[str, str], task: str) -> dict[str, str]:
    return {name: one for name, one in fingerprints.items() if name == f"dataset.{task}"}


def _assign(model: TaskModel, old: Saved, new: Saved) -> None:
    for path, variable in model.trainable_by_path().items():
        value = old.weights[path]
        if model.is_bank(variable):
            # A head's variables, or a decoder's, that the task has not are as they were drawn.
            row = new.weights.get(path, variable.numpy()[-1:])
            value = _joined(value, row, variable.shape)
        variable.assign(value)


def _joined(rows: np.ndarray, row: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Put a row below others; what heads of fewer classes lack of the width is 0 and not used."""
    padded = []
    for one in (rows, row):
        lacking = [full - have for full, have in zip(shape[1:], one.shape[1:], strict=True)]
        padded.append(np.pad(one, [(0, 0), *((0, max(count, 0)) for count in lacking)]))
    return np.concatenate(padded)


def _assign_slots(model: TaskModel, optimizer: TaskwiseOptimizer, old: Saved, new: Saved) -> None:
    """Give each slot its old rows and the new one's; they are counted in the order they were made.

    The optimizer of the new row was made for the banks alone, in the same order.
    """
    first = None
    for number, slot, is_bank in optimizer.numbered_slots(model.trainable_variables):
        value = old.variables[number]
        if is_bank:
            first = min(new.variables.keys() - {0}) if first is None else first + 1
            value = _joined(value, new.variables[first], slot.shape)
        if value.shape != tuple(slot.shape):
            raise DataError(
                f"slot {number} of the run's optimizer is {list(value.shape)}, expected "
                f"{list(slot.shape)}: its checkpoint is of another optimizer"
            )
        slot.assign(value)
    optimizer.iterations.assign(old.iterations)


def _save(
    model: TaskModel, folder: Path, step: int, optimizer: TaskwiseOptimizer | None = None
) -> None:
    others = {} if optimizer is None else {"optimizer": optimizer}
    number = tf.Variable(step, dtype=tf.int64, trainable=False)
    checkpoint = trainable_checkpoint(model, step=number, **others)
    tf.train.CheckpointManager(checkpoint, str(folder), 1).save(step)


def _best_record(origin: Path, trained: Path, task: str, step: int) -> dict[str, Any]:
    """Say of the new task which step its row is of, and of the others what was said."""
    old, new = (_read_record(folder / BEST_FILE) for folder in (origin, trained))
    own = new.get("tasks", {}).get(task, {"step": step})
    tasks = {**old.get("tasks", {}), task: own}
    if old.get("metric") == BY_TASK:
        values = [one["value"] for one in tasks.values() if "value" in one]
        old["value"] = sum(values) / len(values)
    return {**old, "tasks": tasks}


def _read_record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _hand_on_logs(origin: Path, trained: Path, out: Path, task: str) -> None:
    copy_parts(origin, out, (ADDED_FOLDER, *_LOGS))
    copy_parts(trained, out / ADDED_FOLDER / task, _LOGS)
