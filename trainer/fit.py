"""Train a run: the whole story, from a config to exported adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import (
    TaskModel,
    build_model,
    make_dropout_stateless,
    make_strategy,
    save_backbone,
    save_task,
    set_precision,
)
from adapters_tf.adapter_files import ADAPTERS_FOLDER
from adapters_tf.run_sources import keep_sources
from adapters_tf.runs import CHECKPOINTS
from adapters_tf.starting import start_tasks
from eval import Evaluator
from prep import Manifest, TokenTable, UsageError, load_manifest, read_split, read_vocabulary
from prep.mixing import batch_probabilities, task_probabilities
from trainer.callbacks import Checkpoints, Figures, Validation
from trainer.checkpoints import RunCheckpoints
from trainer.checks import (
    check_best_metric,
    check_config,
    check_packed_lengths,
    check_packed_methods,
    check_replicas,
    packed_lengths,
)
from trainer.config import RunConfig
from trainer.fit_model import FitModel
from trainer.learning_rate import WarmupDecay
from trainer.mixture import task_schedule
from trainer.optimizers import OPTIMIZERS, TaskwiseOptimizer
from trainer.pipeline import MixtureBatches, distribute
from trainer.run_folder import MetricsLog, open_run, resolve
from trainer.validation import Validator

BACKBONE_FOLDER = "backbone"


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


def report_left_out(manifest: Manifest, resolved: Mapping[str, Any], report) -> None:
    """Name the tasks that nobody asked to leave out."""
    others = [task for task in manifest.tasks if task not in resolved["tasks"]]
    if others:
        report(f"without a split {resolved['data']['train_split']!r}: {', '.join(others)}")


def make_validator(
    resolved: Mapping[str, Any],
    manifest: Manifest,
    model: TaskModel,
    strategy: tf.distribute.Strategy,
) -> Validator | None:
    """Read the validation splits; None when no task has one."""
    data, limit = resolved["data"], resolved["training"]["validation_examples"]
    input_length, target_length = validation_lengths(resolved, manifest)
    tables: dict[str, TokenTable] = {}
    for task in resolved["tasks"]:
        if data["validation_split"] in manifest.task(task).splits:
            table = read_split(resolved["dataset"], manifest, task, data["validation_split"])
            tables[task] = table.head(limit) if limit else table
    if not tables:
        return None
    vocabulary = read_vocabulary(resolved["dataset"], manifest)
    evaluator = Evaluator(
        model,
        manifest,
        vocabulary,
        batch_size=data["batch_size"],
        input_length=input_length,
        strategy=strategy,
    )
    return Validator(
        model,
        tables,
        manifest,
        evaluator,
        strategy,
        batch_size=data["batch_size"],
        input_length=input_length,
        target_length=target_length,
    )


def validation_lengths(resolved: Mapping[str, Any], manifest: Manifest) -> tuple[int, int]:
    """Choose the lengths of validation batches, which hold one example per row.

    Returns:
        Input and target tokens: those of training, unless its rows are packed; then the longest
        there are.
    """
    data, split = resolved["data"], resolved["data"]["validation_split"]
    if not packed_lengths(manifest, resolved["tasks"], data["train_split"]):
        return data["input_length"], data["target_length"]
    entries = [manifest.task(task) for task in resolved["tasks"]]
    splits = [entry.splits[split] for entry in entries if split in entry.splits]
    return (
        max((one.longest_input for one in splits), default=data["input_length"]),
        max((one.longest_target for one in splits), default=data["target_length"]),
    )


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


def describe(
    resolved: Mapping[str, Any],
    model: TaskModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    first: int,
) -> str:
    """Say in a few lines what is about to be trained."""
    steps = resolved["training"]["steps"]
    counts = np.bincount(batches.schedule, minlength=len(batches.names))
    what = "batches" if batches.draws == 1 else "rows"
    lines = [
        f"{name}: {_describe_size(table)}, {count} of {steps * batches.draws} {what}, "
        f"{count * batches.draw_rows / table.rows:.2f} epochs"
        for name, table, count in zip(batches.names, batches.tables, counts, strict=True)
    ]
    total = sum(int(weight.shape.num_elements()) for weight in model.backbone.weights)
    trainable = model.count_trainable()
    lines.append(
        f"{trainable:,} of {total:,} parameters train ({trainable / total:.2%}), "
        f"{strategy.num_replicas_in_sync} replica(s) of {type(strategy).__name__}"
    )
    if first:
        lines.append(f"going on from step {first}")
    return "\n".join(lines)


def _describe_size(table: TokenTable) -> str:
    if table.pack_offsets is None:
        return f"{len(table)} examples"
    return f"{len(table)} examples in {table.rows} packed rows"


def export(folder: Path, model: TaskModel, checkpoints: RunCheckpoints, report) -> None:
    """Write the best weights: one folder per task's adapter, or the whole backbone."""
    step = checkpoints.restore_best()
    if not model.banks:
        save_backbone(model.backbone, folder / BACKBONE_FOLDER)
        report(f"wrote {folder / BACKBONE_FOLDER} (weights of step {step})")
        return
    for task in model.task_names:
        save_task(model, task, folder / ADAPTERS_FOLDER / task)
    report(
        f"wrote {len(model.task_names)} adapters under {folder / ADAPTERS_FOLDER} "
        f"(weights of step {step})"
    )
