"""Train a run: the whole story, from a config to exported adapters."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf
import tf_keras

from adapters_tf.files.bucket_runs import is_in_bucket, is_of_run, local_copy
from adapters_tf.interop import describe_formats, export_formats
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import keep_sources
from adapters_tf.runtime.strategy import ask_all
from adapters_tf.runtime.workers import read_worker
from prep import Manifest
from trainer.batches.distribution import count_steps, distribute
from trainer.batches.mixture_batches import MixtureBatches
from trainer.callbacks.checkpoints import CheckpointCallback
from trainer.callbacks.figures import FiguresCallback
from trainer.callbacks.profiling import ProfileCallback
from trainer.callbacks.progress import ProgressCallback, make_bar
from trainer.callbacks.pushing import PushCallback
from trainer.callbacks.sending import SendCallback
from trainer.callbacks.skipped_steps import SkippedStepsCallback
from trainer.callbacks.step_callback import Span
from trainer.callbacks.validation import ValidationCallback
from trainer.callbacks.validator import Validator, make_validator
from trainer.parts import (
    Prepare,
    make_batches,
    open_devices,
    open_model,
    resolve_run,
)
from trainer.run.best_rows import has_best_rows
from trainer.run.checkpoints import RunCheckpoints
from trainer.run.curves import CURVES_FILE, write_curves
from trainer.run.export import export
from trainer.run.folder import check_run_folder, create_run, has_begun
from trainer.run.full_disk import SpaceWait
from trainer.run.lock import owned_folder
from trainer.run.metrics_log import MetricsLog
from trainer.run.summary import announce, report_unused
from trainer.run.untaken_steps import warn_of_untaken
from trainer.run.workers import any_worker, check_same_step, explain_lost_worker, own_copy
from trainer.settings.checks import check_trained_adapters
from trainer.settings.config import RunConfig
from trainer.settings.observing import read_range
from trainer.steps.fit_model import FitModel
from trainer.steps.graph_optimizer import graph_optimizer, helps_steps

Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Attributes:
        folder: The run folder, or its address.
        step: Steps done in all.
        is_done: Whether the run reached its last step.
    """

    folder: Path | str
    step: int
    is_done: bool


@dataclass(frozen=True)
class Hooks:
    """What is done in a run besides.

    Attributes:
        prepare: Called with the model as it is drawn, whenever it is built.
        push: Called between steps, to send away what was written.
        known_as: What others call the run folder.
        is_live: Whether lines go to a terminal, which gets a moving bar too.
        say: Called with lines that every worker says, not the chief alone.
    """

    prepare: Prepare | None = None
    push: Callable[[], object] | None = None
    known_as: str = ""
    is_live: bool = False
    say: Report = print


NO_HOOKS = Hooks()


def train(config: RunConfig, report: Report = print, *, is_live: bool = False) -> Outcome:
    """Train a run, or go on with it where it stopped.

    Args:
        config: Its settings.
        report: Called with every line of progress.
        is_live: Whether they go to a terminal, which gets a moving bar too.

    Returns:
        How it ended.

    Raises:
        UsageError: A setting that cannot work; nothing was written.
        DataError: A dataset or run folder that is not whole.
    """
    if not is_in_bucket(config.run):
        return train_here(config, report, Hooks(is_live=is_live))
    worker = read_worker()
    if worker is not None and not worker.is_chief:
        with local_copy(config.run, is_of_run) as folder:
            outcome = train_here(replace(config, run=str(folder)), report)
            return replace(outcome, folder=config.run)
    from trainer.run.bucket_run import owned_bucket_run  # loads Google's client

    with owned_bucket_run(config.run, report) as run:
        here = replace(config, run=str(run.local))
        hooks = Hooks(push=run.push, known_as=run.address, is_live=is_live)
        outcome = train_here(here, lambda line: report(run.shown(line)), hooks)
    return replace(outcome, folder=run.address)


def train_here(config: RunConfig, report: Report, hooks: Hooks = NO_HOOKS) -> Outcome:
    """Train a run whose folder is on this machine.

    Args:
        config: Its settings.
        report: Called with every line of progress.
        hooks: What is done besides.

    Returns:
        How it ended.

    Raises:
        UsageError: A setting that cannot work; nothing was written.
        DataError: A dataset or run folder that is not whole.
    """
    settings, manifest = resolve_run(config)
    worker = read_worker()
    if worker is None:
        with owned_folder(Path(settings.run)):
            return train_owned(config, settings, manifest, report, hooks)
    place = owned_folder if worker.is_chief else own_copy
    with place(Path(settings.run)) as own:
        try:
            outcome = train_owned(
                config,
                settings if worker.is_chief else replace(settings, run=str(own)),
                manifest,
                report if worker.is_chief else lambda line: None,
                replace(hooks, is_live=hooks.is_live and worker.is_chief, say=report),
            )
            return replace(outcome, folder=Path(settings.run))
        except tf.errors.OpError as error:
            raise explain_lost_worker(error, worker, settings.run) from error


def train_owned(
    config: RunConfig,
    settings: ResolvedRun,
    manifest: Manifest,
    report: Report,
    hooks: Hooks = NO_HOOKS,
) -> Outcome:
    """Train a run whose folder no other process writes to.

    Args:
        config: As the user wrote it.
        settings: Of the run.
        manifest: Of its dataset.
        report: Called with every line of progress.
        hooks: What is done besides.

    Returns:
        How it ended.

    Raises:
        UsageError: A setting that cannot work; nothing was written.
        DataError: A dataset or run folder that is not whole.
    """
    check_run_folder(settings)
    is_new = not has_begun(settings)
    if is_new:
        check_trained_adapters(settings)
    strategy = open_devices(settings, hooks.say)
    # The model first: what it refuses is told before a large dataset has been read.
    fit_model = open_model(settings, strategy, report, hooks.prepare)
    batches = make_batches(settings, manifest, read_worker())
    model, optimizer = fit_model.task_model, fit_model.optimizer
    exports = describe_formats(export_formats(model))
    folder = create_run(settings, exports, hooks.known_as)
    keep_sources(settings.adapters, folder)
    checkpoints = open_checkpoints(settings, folder, fit_model, report)
    first, last = checkpoints.restore(), settings.training.steps
    if read_worker():
        check_same_step(strategy, first, settings.run)
        checkpoints.wait.signals.any_worker = any_worker(strategy)
    where = fit_model, batches, strategy, first
    announce(config, settings, manifest, *where, report, is_new=is_new)
    report(exports)
    log = MetricsLog(folder, first, checkpoints.wait)
    is_validated = first == last == log.last_step("validation")
    check = checkpoints.wait.signals.check
    validator = None if is_validated else make_validator(settings, manifest, model, strategy, check)
    report_unused(settings, manifest, report, by_task=checkpoints.rows is not None)
    averaged = functools.partial(optimizer.averaged, model.trainable_variables)
    bar = make_bar(batches, first, last) if hooks.is_live else None
    callbacks = make_callbacks(settings, checkpoints, validator, log, report, first, averaged, bar)
    if hooks.push is not None:
        callbacks.append(PushCallback(hooks.push))
    if first == last or is_over(callbacks):
        catch_up(callbacks)
    else:
        run_steps(fit_model, batches, strategy, range(first, last), callbacks)
    reached = int(optimizer.iterations.numpy())
    if was_left(callbacks) or (reached < last and not is_over(callbacks)):
        return Outcome(folder, reached, is_done=False)
    with averaged():
        if settings.optimizer.ema_decay and validator is None and not is_validated:
            checkpoints.save_unscored(reached)  # checkpoints/ holds no averages to score by
        export(folder, model, checkpoints, report)
    if first < reached or not (folder / CURVES_FILE).exists():
        problem = write_curves(folder, log.lines(), settings.tasks)
        if problem:
            report(problem)
    for line in warn_of_untaken(log.lines("train"), settings.tasks):
        report(line)
    if read_worker():
        ask_all(strategy, 0.0)  # one that ends early would be missed
    return Outcome(folder, reached, is_done=True)


def open_checkpoints(
    settings: ResolvedRun, folder: Path, fit_model: FitModel, report: Report
) -> RunCheckpoints:
    """Open the checkpoints of a run, as its settings want them kept.

    Args:
        settings: Of the run.
        folder: Of the run.
        fit_model: Compiled.
        report: Called with every line of progress.

    Returns:
        The checkpoints.
    """
    training, model = settings.training, fit_model.task_model
    return RunCheckpoints(
        folder,
        model,
        fit_model.optimizer,
        training.keep_checkpoints,
        report,
        fit_model.balancing,
        by_task=has_best_rows(settings, model),
        wait=SpaceWait(training.wait_for_space, report),
    )


def run_steps(
    fit_model: FitModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    steps: range,
    callbacks: list[tf_keras.callbacks.Callback],
) -> None:
    """Call `fit`.

    Args:
        fit_model: Compiled.
        batches: Of the whole run.
        strategy: What the run is spread over.
        steps: Those to take.
        callbacks: Between steps.

    Raises:
        DataError: A shard that was read between steps is missing, truncated or corrupt.
    """
    sources = distribute(batches, strategy, steps.start)
    if batches.is_grouped:
        fit_model.tasks_per_step = list(batches.groups_of_a_step().values())
    if len(sources) > 1:
        fit_model.feed(sources, map(batches.shape, steps))
    try:
        with graph_optimizer(is_on=helps_steps(is_compiled=fit_model.jit_compile)):
            fit_model.fit(
                count_steps(strategy) if len(sources) > 1 else sources.popitem()[1],
                steps_per_epoch=len(steps),
                callbacks=callbacks,
                verbose=0,
            )
    except tf.errors.OpError as error:
        if batches.failure is None:
            raise
        raise batches.failure from error
    finally:
        batches.close()
        for callback in callbacks:
            if isinstance(callback, ProgressCallback):
                callback.close()


def is_over(callbacks: Iterable[tf_keras.callbacks.Callback]) -> bool:
    """Tell whether validations have got no better for so long that the run has ended.

    Args:
        callbacks: Of the run.
    """
    return any(isinstance(one, ValidationCallback) and one.is_over() for one in callbacks)


def was_left(callbacks: Iterable[tf_keras.callbacks.Callback]) -> bool:
    """Tell whether a signal came in the way of a validation.

    Args:
        callbacks: Of the run.
    """
    return any(isinstance(one, ValidationCallback) and one.was_left for one in callbacks)


def catch_up(callbacks: Iterable[tf_keras.callbacks.Callback]) -> None:
    """Do what was due after the last step, where something ended it.

    Args:
        callbacks: Of the run.
    """
    for callback in callbacks:
        if isinstance(callback, ValidationCallback):
            with contextlib.closing(callback.checkpoints.wait.signals) as signals:
                signals.listen()
                callback.catch_up()


def make_callbacks(
    settings: ResolvedRun,
    checkpoints: RunCheckpoints,
    validator: Validator | None,
    log: MetricsLog,
    report: Report,
    first: int,
    averaged: Callable[[], AbstractContextManager[None]],
    bar: ProgressCallback | None = None,
) -> list[tf_keras.callbacks.Callback]:
    """List what happens between steps, in order: figures, skipped steps, validation, checkpoints.

    Args:
        settings: Of the run.
        checkpoints: Of the run.
        validator: Scores the tasks; None where there is nothing to score.
        log: Where figures go.
        report: Called with every line of progress.
        first: Steps done before this part of the run.
        averaged: Gives the model the weights that are validated.
        bar: Of the terminal.

    Returns:
        Callbacks for `fit`.
    """
    training = settings.training
    last = training.steps
    logged = Span(first, last, training.log_every)
    figures = FiguresCallback(logged, log, report, bar)
    callbacks: list[tf_keras.callbacks.Callback] = [
        figures,
        SkippedStepsCallback(logged, checkpoints),
    ]
    if validator is not None:
        validation = ValidationCallback(
            Span(first, last, training.validate_every or last),
            validator.run,
            checkpoints,
            metric=training.best_metric,
            log=log,
            report=report,
            patience=training.patience,
            columns=shutil.get_terminal_size().columns,
            averaged=averaged,
            part=validator.part,
        )
        figures.validated = lambda: validation.seconds
        callbacks.append(validation)
    if training.wandb:
        callbacks.insert(0, SendCallback(settings, log, report))
    if (steps := read_range(training.profile)) is not None:
        callbacks.append(ProfileCallback(Span(first, last, last), steps, log.folder.parent, report))
    span = Span(first, last, training.checkpoint_every)
    callbacks.append(CheckpointCallback(span, checkpoints, report))
    return callbacks if bar is None else [*callbacks, bar]
