"""Open a run folder: build the model its config.yaml describes and read its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.loading import load_backbone
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.methods import read_methods
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.config import CHECKPOINTS, read_config, without_files
from adapters_tf.runs.sources import use_kept_sources
from adapters_tf.task_adapters.composing import average_adapters, stack_adapter
from adapters_tf.task_adapters.starting import start_tasks


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


def build_stack(config: Mapping[str, Any], directory: Path | None = None) -> tf_keras.Model:
    """Build the backbone of a run, with the frozen adapter that its own are stacked on, if any.

    Args:
        config: As `build_model`.
        directory: As `build_model`.

    Returns:
        A TFT5.

    Raises:
        ConfigurationError: The adapter cannot be stacked on.
        WeightsError: It is missing or does not fit.
    """
    backbone = build_backbone(config)
    stack = use_kept_sources(config["adapters"], directory).get("stack_on")
    if stack:
        stack_adapter(backbone, stack["of"], stack.get("task", ""))
    return backbone


def build_model(
    config: Mapping[str, Any], routing: str = "batch", directory: Path | None = None
) -> TaskModel:
    """Build the model of a run, with its initial weights.

    Args:
        config: With the sections `model` (backbone, vocabulary_size, overrides), `adapters`
            (method, settings by method, train_layer_norms, stack_on), `tasks` (the bank's row
            order) and `seed`.
        routing: As `TaskModel`.
        directory: The run folder, whose copies of the trained adapters that it fuses or stacks
            are read rather than the originals; None, or a folder without any, for the originals.

    Returns:
        The model; build it inside the strategy's scope.

    Raises:
        ConfigurationError: Unknown method or setting, or nothing to train.
        WeightsError: Trained adapters that are missing or do not fit.
    """
    adapters = use_kept_sources(config["adapters"], directory)
    return TaskModel(
        build_stack(config, directory),
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
        model = build_model(
            config if checkpoint == "none" else without_files(config), directory=directory
        )
        if checkpoint == "none":
            step = 0
            adapters = config["adapters"]
            start_tasks(model, adapters["start_from"], adapters["nearest_by"])
        else:
            step = _restore(model, directory, checkpoint)
    return LoadedRun(model, config, step, directory)


def load_average(
    run_directory: str | Path,
    tasks: Sequence[str],
    weights: Sequence[float] | None = None,
    *,
    strategy: tf.distribute.Strategy | None = None,
) -> LoadedRun:
    """Build a run's model with the mean of trained adapters' outputs in place of every task's own.

    Args:
        run_directory: What the trainer wrote, to its end.
        tasks: Names of the adapters to average.
        weights: One per name; equal ones by default.
        strategy: Under whose scope the variables are made; the current one by default.

    Returns:
        The model, its config and the step of its adapters.

    Raises:
        WeightsError: No run folder, or no trained adapters in it.
        ConfigurationError: Unknown tasks, weights that cannot be, or adapters that cannot be
            composed.
    """
    directory = Path(run_directory)
    config = read_config(directory)
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        backbone = build_stack(config, directory)
        average_adapters(backbone, str(directory), tasks, weights)
        model = TaskModel(backbone, tuple(config["tasks"]))
    return LoadedRun(model, config, _latest_step(directory), directory)


def _latest_step(directory: Path) -> int:
    for folder in CHECKPOINTS.values():
        path = tf.train.latest_checkpoint(str(directory / folder))
        if path is not None:
            return int(path.rsplit("-", 1)[1])
    return 0


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
