"""Open a run folder: build the model its config.yaml describes and read its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
import yaml

from adapters_tf.backbone import load_backbone
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.methods import read_methods
from adapters_tf.model import TaskModel
from adapters_tf.task_folder import assign_tasks, check_settings, is_task_folder, read_task, row_of

CONFIG_FILE = "config.yaml"
ADAPTERS_FOLDER = "adapters"
CHECKPOINTS = {"best": "best", "last": "checkpoints"}


@dataclass(frozen=True)
class LoadedRun:
    """A run folder, opened.

    Args:
        model: With the checkpoint's weights.
        config: What config.yaml holds.
        step: The training steps behind the weights; 0 for none.
        directory: The run folder.
    """

    model: TaskModel
    config: dict[str, Any]
    step: int
    directory: Path


def build_backbone(config: Mapping[str, Any]) -> tf_keras.Model:
    """Build the backbone of a run, without adapters.

    Args:
        config: With the section `model` (backbone, vocabulary_size, overrides) and `seed`.

    Returns:
        A TFT5 with the weights it had before training.
    """
    model = config["model"]
    return load_backbone(
        model["backbone"],
        vocabulary_size=model["vocabulary_size"],
        overrides=dict(model["overrides"]),
        seed=config["seed"],
    )


def build_model(config: Mapping[str, Any], routing: str = "batch") -> TaskModel:
    """Build the model of a run, with its initial weights.

    Args:
        config: With the sections `model` (backbone, vocabulary_size, overrides), `adapters`
            (method, settings by method, train_layer_norms), `tasks` (the bank's row order) and
            `seed`.
        routing: As `TaskModel`.

    Returns:
        The model; build it inside the strategy's scope.

    Raises:
        ConfigurationError: Unknown method or setting, or nothing to train.
    """
    adapters = config["adapters"]
    return TaskModel(
        build_backbone(config),
        tuple(config["tasks"]),
        read_methods(adapters["method"], adapters["settings"]),
        train_layer_norms=adapters["train_layer_norms"],
        seed=config["seed"],
        routing=routing,
    )


def trainable_checkpoint(model: TaskModel, **others: Any) -> tf.train.Checkpoint:
    """Describe a checkpoint of the trainable variables, by module path, and nothing frozen.

    Args:
        model: Whose variables.
        **others: Further trackables, such as the optimizer.

    Returns:
        A checkpoint object that can be saved or restored.
    """
    return tf.train.Checkpoint(trainable=model.trainable_by_path(), **others)


def load_run(
    run_directory: str | Path,
    checkpoint: str = "best",
    *,
    strategy: tf.distribute.Strategy | None = None,
    tasks: Sequence[str] | None = None,
) -> LoadedRun:
    """Build a run's model and read its weights.

    Args:
        run_directory: What the trainer wrote.
        checkpoint: `best`, `last`, or `none` for the model as it was before training.
        strategy: Under whose scope the variables are made; the current one by default.
        tasks: Tasks that must be in the run; a check only.

    Returns:
        The model, its config and its step.

    Raises:
        WeightsError: No run folder, or no such checkpoint in it.
        ConfigurationError: Unknown checkpoint name or task.
    """
    directory = Path(run_directory)
    config = read_config(directory)
    for task in tasks or ():
        if task not in config["tasks"]:
            raise ConfigurationError(
                f"run {directory} has no task {task!r}; {suggest(task, config['tasks'])}"
            )
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = build_model(config if checkpoint == "none" else without_files(config))
        if checkpoint == "none":
            step = 0
            start_tasks(model, config["adapters"]["start_from"])
        else:
            step = _restore(model, directory, checkpoint)
    return LoadedRun(model, config, step, directory)


def without_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the same model without the files its start was read from, which may be gone.

    Args:
        config: Of a run.

    Returns:
        Task embeddings out of a file are `fixed` ones; the checkpoint brings them.
    """
    settings = {
        method: {**fields, "task_embeddings": "fixed"}
        if fields.get("task_embeddings", "learned") != "learned"
        else fields
        for method, fields in config["adapters"]["settings"].items()
    }
    return {**config, "adapters": {**config["adapters"], "settings": settings}}


def read_config(directory: str | Path) -> dict[str, Any]:
    """Read a run folder's config.yaml.

    Args:
        directory: The run folder.

    Returns:
        Its settings.

    Raises:
        WeightsError: There is none, or it cannot be parsed.
    """
    file = Path(directory) / CONFIG_FILE
    if not file.is_file():
        raise WeightsError(f"{directory} is no run folder: it holds no {CONFIG_FILE}")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise WeightsError(f"{file} cannot be parsed: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict) or "adapters" not in config:
        raise WeightsError(f"{file} does not describe a run")
    if "settings" not in config["adapters"]:
        raise WeightsError(f"{file} was written by an earlier version; train the run again")
    config["adapters"].setdefault("start_from", "")
    return config


def start_tasks(model: TaskModel, folders: str | Mapping[str, str]) -> Mapping[str, str]:
    """Let tasks start from adapters that were trained before.

    Args:
        model: With adapters, as they are drawn.
        folders: By task, the folder of an adapter. Or one folder for all: of an adapter, which
            every task starts from, or a run, whose tasks of the same names are taken.

    Returns:
        By task, the folder it started from; others start as drawn.

    Raises:
        WeightsError: A task or folder that is not there, or that does not fit.
    """
    if not folders:
        return {}
    if isinstance(folders, str):
        folders = _find_folders(folders, model.task_names)
    for task, folder in folders.items():
        row_of(model, task)
        check_settings(model, folder)
    assign_tasks(model, {task: (folder, read_task(folder)) for task, folder in folders.items()})
    return folders


def _find_folders(folder: str, tasks: Sequence[str]) -> dict[str, str]:
    if is_task_folder(folder):
        return dict.fromkeys(tasks, folder)
    found = {task: str(Path(folder) / ADAPTERS_FOLDER / task) for task in tasks}
    found = {task: path for task, path in found.items() if is_task_folder(path)}
    if not found:
        raise WeightsError(
            f"{folder} is no adapter's folder, and no run that has one of the tasks "
            f"{', '.join(tasks)}"
        )
    return found


def _restore(model: TaskModel, directory: Path, checkpoint: str) -> int:
    if checkpoint not in CHECKPOINTS:
        valid = (*CHECKPOINTS, "none")
        raise ConfigurationError(
            f"checkpoint {checkpoint!r} is unknown; {suggest(checkpoint, valid)}"
        )
    folder = directory / CHECKPOINTS[checkpoint]
    path = tf.train.latest_checkpoint(str(folder))
    if path is None and checkpoint == "best":
        return _restore(model, directory, "last")
    if path is None:
        raise WeightsError(f"{folder} holds no checkpoint; train the run first")
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    status = trainable_checkpoint(model, step=step).restore(path)
    status.assert_existing_objects_matched().expect_partial()
    return int(step.numpy())
