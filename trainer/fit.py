"""Train a run: the whole story, from a config to exported adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf import (
    TaskModel,
    build_model,
    make_dropout_stateless,
    make_strategy,
    set_precision,
)
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.runs.sources import keep_sources
from adapters_tf.task_adapters.starting import start_tasks
from prep import Manifest, UsageError, load_manifest, read_split
from prep.dataset.mixing import batch_probabilities, task_probabilities
from trainer.batches.distribution import distribute
from trainer.batches.mixture_batches import MixtureBatches
from trainer.batches.schedule import task_schedule
from trainer.callbacks.checkpoints import Checkpoints
from trainer.callbacks.figures import Figures
from trainer.callbacks.validation import Validation
from trainer.callbacks.validator import Validator, make_validator
from trainer.optimizers.learning_rate import WarmupDecay
from trainer.optimizers.registry import OPTIMIZERS
from trainer.optimizers.taskwise import TaskwiseOptimizer
from trainer.run.checkpoints import RunCheckpoints
from trainer.run.export import export
from trainer.run.folder import open_run
from trainer.run.metrics_log import MetricsLog
from trainer.run.summary import describe, report_left_out
from trainer.settings.checks import (
    check_best_metric,
    check_config,
    check_packed_lengths,
    check_packed_methods,
    check_replicas,
)
from trainer.settings.config import RunConfig
from trainer.settings.resolving import resolve
from trainer.steps.fit_model import FitModel


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Args:
        folder: The run folder.
        step: Steps done in all.
        is_done: Whether the run reached its last step.
    """

    folder: Path
    step: int
    is_done: bool


def train(config: RunConfig, report=print) -> Outcome:
    """Train a run, or go on with it where it stopped.

    Args:
        config: Its settings.
        report: Called with every line of progress.

    Returns:
        How it ended.

    Raises:
        UsageError: A setting that cannot work; nothing was written.
        DataError: A dataset or run folder that is not whole.
    """
    check_config(config)
    manifest = load_manifest(config.dataset)
    resolved = resolve(config, manifest)
    check_packed_lengths(resolved, manifest)
    check_packed_methods(resolved, manifest)
    check_best_metric(config.training.best_metric, resolved["tasks"], manifest)
    strategy = make_strategy(config.distribution.kind, config.distribution.logical_devices)
    check_replicas(config.data.batch_size, strategy.num_replicas_in_sync)
    prepare_tensorflow(config, strategy)
    batches = make_batches(resolved, manifest)
    with strategy.scope():
        run = Path(resolved["run"])
        model = build_model(resolved, routing=config.data.routing, directory=run)
        is_compiled = config.training.jit_compile or isinstance(strategy, tf.distribute.TPUStrategy)
        optimizer = make_optimizer(resolved, model, is_compiled)
        fit_model = FitModel(model)
        fit_model.compile(
            optimizer,
            jit_compile=config.training.jit_compile,
            steps_per_execution=config.training.steps_per_execution,
        )
    make_dropout_stateless(model, config.seed, optimizer.iterations)
    start(resolved, model, strategy, report)
    folder = open_run(resolved)
    keep_sources(resolved["adapters"], folder)
    checkpoints = RunCheckpoints(folder, model, optimizer, config.training.keep_checkpoints)
    first, last = checkpoints.restore(), config.training.steps
    if not config.task_list():
        report_left_out(manifest, resolved, report)
    report(describe(resolved, model, batches, strategy, first))
    if first < last:
        validator = make_validator(resolved, manifest, model, strategy)
        log = MetricsLog(folder, first)
        callbacks = make_callbacks(config, checkpoints, validator, log, report, first)
        fit_model.fit(
            distribute(batches, strategy, first),
            steps_per_epoch=last - first,
            callbacks=callbacks,
            verbose=0,
        )
        reached = int(optimizer.iterations.numpy())
        if reached < last:
            return Outcome(folder, reached, is_done=False)
    export(folder, model, checkpoints, report)
    return Outcome(folder, last, is_done=True)


def start(
    resolved: Mapping[str, Any], model: TaskModel, strategy: tf.distribute.Strategy, report
) -> None:
    """Let the tasks of a new run start from earlier adapters, if the settings say so."""
    adapters = resolved["adapters"]
    if tf.train.latest_checkpoint(str(Path(resolved["run"]) / CHECKPOINTS["last"])):
        return
    with strategy.scope():
        started = start_tasks(model, adapters["start_from"], adapters["nearest_by"])
    for task, folder in started.items():
        report(f"{task} starts from {folder}")


def prepare_tensorflow(config: RunConfig, strategy: tf.distribute.Strategy) -> None:
    """Set what TensorFlow keeps globally: precision, seeds, determinism."""
    training = config.training
    is_mirrored = isinstance(strategy, tf.distribute.MirroredStrategy)
    if training.jit_compile and is_mirrored:
        raise UsageError(
            "training.jit_compile works with one replica or on a TPU (which always compiles); "
            "turn it off for several devices"
        )
    set_precision(training.precision)
    tf_keras.utils.set_random_seed(config.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()


def make_batches(resolved: Mapping[str, Any], manifest: Manifest) -> MixtureBatches:
    """Read the training splits and lay out the whole run's batches."""
    data, seed = resolved["data"], resolved["seed"]
    tables = {
        task: read_split(resolved["dataset"], manifest, task, data["train_split"])
        for task in resolved["tasks"]
    }
    sizes = [len(table) for table in tables.values()]
    probabilities = batch_probabilities(
        task_probabilities(sizes, data["temperature"], data["cap"] or None),
        sizes,
        [table.rows for table in tables.values()],
    )
    draws = data["batch_size"] if data["routing"] == "example" else 1
    return MixtureBatches(
        tables,
        task_schedule(seed, probabilities, 0, resolved["training"]["steps"] * draws),
        batch_size=data["batch_size"],
        input_length=data["input_length"],
        target_length=data["target_length"],
        seed=seed,
        draws=draws,
    )


def make_optimizer(
    resolved: Mapping[str, Any], model: TaskModel, is_compiled: bool
) -> TaskwiseOptimizer:
    """Build the optimizer and its slots; call it in the strategy's scope."""
    settings = resolved["optimizer"]
    rate = WarmupDecay(
        settings["learning_rate"],
        settings["warmup_steps"],
        resolved["training"]["steps"],
        settings["decay"],
    )
    optimizer = OPTIMIZERS[settings["name"]](
        rate,
        model.is_bank,
        weight_decay=settings["weight_decay"],
        clip_norm=settings["clip_norm"] or None,
        is_compiled=is_compiled,
    )
    optimizer.build(model.trainable_variables)
    return optimizer


def make_callbacks(
    config: RunConfig,
    checkpoints: RunCheckpoints,
    validator: Validator | None,
    log: MetricsLog,
    report,
    first: int,
) -> list[tf_keras.callbacks.Callback]:
    """List what happens between steps, in order: figures, validation, checkpoints."""
    training = config.training
    last = training.steps
    callbacks: list[tf_keras.callbacks.Callback] = [
        Figures(log, report, first, last, training.log_every)
    ]
    if validator is not None:
        every = training.validate_every or last
        callbacks.append(
            Validation(
                validator.run, checkpoints, training.best_metric, log, report, first, last, every
            )
        )
    callbacks.append(Checkpoints(checkpoints, report, first, last, training.checkpoint_every))
    return callbacks
