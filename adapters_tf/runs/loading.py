"""Open a run folder: build the model its config.yaml describes and read its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.fingerprint import backbone_digest
from adapters_tf.backbone.loading import load_backbone
from adapters_tf.backbone.presets import PRESETS
from adapters_tf.errors import ConfigurationError, WeightsError, say_note, suggest
from adapters_tf.methods import read_methods
from adapters_tf.model.frozen_storage import store_frozen
from adapters_tf.model.heads import HeadShape, read_heads
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.checkpoints import list_checkpoints, newest_whole, own_best_steps
from adapters_tf.runs.config import CHECKPOINTS, read_config
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import use_kept_sources
from adapters_tf.task_adapters.composing import average_adapters, stack_adapter
from adapters_tf.task_adapters.starting import start_tasks


@dataclass(frozen=True)
class LoadedRun:
    """A run folder, opened.

    Attributes:
        model: With the checkpoint's weights.
        settings: What config.yaml holds.
        step: The training steps behind the weights; 0 for none.
        directory: The run folder.
        own_steps: Those behind a task's own weights, where they are of an earlier step.
        checkpoint_digest: Of the checkpoint, as `FoundCheckpoint.digest`; empty for none.
    """

    model: TaskModel
    settings: ResolvedRun
    step: int
    directory: Path
    own_steps: Mapping[str, int] = field(default_factory=dict)
    checkpoint_digest: str = ""

    def step_of(self, task: str) -> int:
        """Tell the training steps behind a task's weights."""
        return self.own_steps.get(task, self.step)


def build_backbone(settings: ResolvedRun) -> tf_keras.Model:
    """Build the backbone of a run, without adapters.

    Args:
        settings: Of the run.

    Returns:
        A TFT5 with the weights it had before training.

    Raises:
        WeightsError: Its folder holds another model now, or config.yaml names other random weights.
    """
    model, known = settings.model, settings.fingerprints.get("model.backbone")
    if known and digest_of_backbone(settings) != known:
        what = f"{model.backbone} holds another T5 now"
        if model.backbone in PRESETS:
            what = (
                f"config.yaml was changed: the preset {model.backbone} with seed {settings.seed}, "
                f"{model.vocabulary_size} token ids and overrides {dict(model.overrides)} is "
                "another T5"
            )
        raise WeightsError(f"{what} than this run was trained on: its digest was {known[:12]}…")
    return load_backbone(
        model.backbone,
        vocabulary_size=model.vocabulary_size,
        overrides=dict(model.overrides),
        seed=settings.seed,
    )


def digest_of_backbone(settings: ResolvedRun) -> str:
    """Compute the digest of what `build_backbone` makes, without making it.

    Args:
        settings: Of the run.

    Returns:
        Hexadecimal SHA-256.

    Raises:
        ConfigurationError: No such preset, folder or hub model.
        WeightsError: A checkpoint that can't be read.
    """
    model = settings.model
    return backbone_digest(
        model.backbone,
        vocabulary_size=model.vocabulary_size,
        overrides=model.overrides,
        seed=settings.seed,
    )


def build_stack(settings: ResolvedRun, directory: Path | None = None) -> tf_keras.Model:
    """Build the backbone of a run, with the frozen adapter that its own are stacked on, if any.

    Args:
        settings: As `build_model`.
        directory: As `build_model`.

    Returns:
        A TFT5.

    Raises:
        ConfigurationError: The adapter cannot be stacked on.
        WeightsError: It is missing or does not fit.
    """
    backbone = build_backbone(settings)
    stack = use_kept_sources(settings.adapters, directory).stack_on
    if stack:
        stack_adapter(backbone, stack["of"], stack.get("task", ""))
    return backbone


def build_model(
    settings: ResolvedRun, routing: str = "batch", directory: Path | None = None
) -> TaskModel:
    """Build the model of a run, with its initial weights.

    Args:
        settings: Of the run.
        routing: As `TaskModel`.
        directory: The run folder, whose copies of the trained adapters that it fuses or stacks
            are read rather than the originals; None, or a folder without any, for the originals.

    Returns:
        The model; build it inside the strategy's scope. What is frozen is kept as
        `model.frozen_dtype` says where the precision in force is that of such a run.

    Raises:
        ConfigurationError: Unknown method or setting, nothing to train, or nothing that is frozen
            where that is to be kept in bfloat16.
        WeightsError: Trained adapters that are missing or do not fit.
    """
    adapters = use_kept_sources(settings.adapters, directory)
    model = TaskModel(
        build_stack(settings, directory),
        settings.tasks,
        read_methods(adapters.method, adapters.settings),
        train_layer_norms=adapters.train_layer_norms,
        freeze=settings.model.freeze,
        seed=settings.seed,
        routing=routing,
        heads=read_heads(settings.heads.kinds, settings.heads.answers, settings.heads.words),
        head_shape=HeadShape(settings.heads.pooling, settings.heads.layers, settings.heads.dropout),
    )
    if settings.model.frozen_dtype == "bfloat16":
        store_frozen(model, model.backbone)
    return model


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
    settings: ResolvedRun | None = None,
    strategy: tf.distribute.Strategy | None = None,
    tasks: Sequence[str] | None = None,
) -> LoadedRun:
    """Build a run's model and read its weights.

    Args:
        run_directory: What the trainer wrote.
        checkpoint: `best`, `last`, or `none` for the model as it was before training.
        settings: What its config.yaml holds, if that was read already.
        strategy: Under whose scope the variables are made; the current one by default.
        tasks: Tasks that must be in the run; a check only.

    Returns:
        The model, its settings and its step.

    Raises:
        WeightsError: No run folder, or no such checkpoint in it.
        ConfigurationError: Unknown checkpoint name or task.
    """
    directory = Path(run_directory)
    settings = settings or read_config(directory)
    for task in tasks or ():
        if task not in settings.tasks:
            raise ConfigurationError(
                f"run {directory} has no task {task!r}; {suggest(task, settings.tasks)}"
            )
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        if checkpoint == "none":
            model, step, digest = build_model(settings, directory=directory), 0, ""
            start_tasks(model, settings.adapters.start_from, settings.adapters.nearest_by)
        else:
            model = build_model(settings.without_files(), directory=directory)
            step, digest = _restore(model, directory, checkpoint)
    return LoadedRun(model, settings, step, directory, _own_steps(directory, checkpoint), digest)


def restore_run(run: LoadedRun, checkpoint: str = "best") -> LoadedRun:
    """Read a checkpoint into a model that was built already.

    Args:
        run: Opened, with the weights of any checkpoint or of none.
        checkpoint: `best` or `last`.

    Returns:
        The same model, with those weights, and their step.

    Raises:
        WeightsError: No such checkpoint.
        ConfigurationError: Unknown checkpoint name.
    """
    step, digest = _restore(run.model, run.directory, checkpoint)
    own_steps = _own_steps(run.directory, checkpoint)
    return replace(run, step=step, own_steps=own_steps, checkpoint_digest=digest)


def _own_steps(directory: Path, checkpoint: str) -> dict[str, int]:
    return own_best_steps(directory) if checkpoint == "best" else {}


def load_average(
    run_directory: str | Path,
    tasks: Sequence[str],
    weights: Sequence[float] | None = None,
    *,
    settings: ResolvedRun | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> LoadedRun:
    """Build a run's model with the mean of trained adapters' outputs in place of every task's own.

    Args:
        run_directory: What the trainer wrote, to its end.
        tasks: Names of the adapters to average.
        weights: One per name; equal ones by default.
        settings: What its config.yaml holds, if that was read already.
        strategy: Under whose scope the variables are made; the current one by default.

    Returns:
        The model, its settings and the step of its adapters.

    Raises:
        WeightsError: No run folder, or no trained adapters in it.
        ConfigurationError: Unknown tasks, weights that cannot be, or adapters that cannot be
            composed.
    """
    directory = Path(run_directory)
    settings = settings or read_config(directory)
    if settings.heads.kinds:
        headed = ", ".join(settings.heads.kinds)
        raise ConfigurationError(
            f"heads answer {headed} of {directory}, and the mean of several "
            "adapters' outputs has no head; `python -m adapters_tf merge` makes one head of theirs"
        )
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        backbone = build_stack(settings, directory)
        average_adapters(backbone, str(directory), tasks, weights)
        model = TaskModel(backbone, settings.tasks)
    step, digest = _latest(directory)
    return LoadedRun(model, settings, step, directory, checkpoint_digest=digest)


def _latest(directory: Path) -> tuple[int, str]:
    for folder in CHECKPOINTS.values():
        found = newest_whole(directory / folder)
        if found is not None:
            return found.step, found.digest()
    return 0, ""


def _restore(model: TaskModel, directory: Path, checkpoint: str) -> tuple[int, str]:
    """Read a checkpoint; tell its step and its digest."""
    if checkpoint not in CHECKPOINTS:
        valid = (*CHECKPOINTS, "none")
        raise ConfigurationError(
            f"checkpoint {checkpoint!r} is unknown; {suggest(checkpoint, valid)}"
        )
    folder = directory / CHECKPOINTS[checkpoint]
    if checkpoint == "best" and not list_checkpoints(folder):
        return _restore(model, directory, "last")
    damaged: list[str] = []
    found = newest_whole(folder, damaged.append)
    if found is None and damaged:
        others = "; --checkpoint last reads another" if checkpoint == "best" else ""
        raise WeightsError(f"{damaged[0]}; {folder} holds no other{others}")
    if found is None:
        raise WeightsError(f"{folder} holds no checkpoint; train the run first")
    for line in damaged:
        say_note(f"{line}; that of step {found.step} is")
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    status = trainable_checkpoint(model, step=step).restore(found.path)
    try:
        status.assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"checkpoint {found.path} does not fit the model: {reason}") from error
    return int(step.numpy()), found.digest()
