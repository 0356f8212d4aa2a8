"""What a run would do, told without doing it: `python -m trainer … --dry-run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adapters_tf.files.bucket_runs import is_in_bucket, local_copy
from adapters_tf.runs.checkpoints import newest_whole
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runtime.workers import refuse_workers
from prep import Manifest
from trainer.callbacks.validator import count_validated, validation_splits
from trainer.parts import Prepare, Report, make_batches, make_model, open_devices, resolve_run
from trainer.run.best_rows import has_best_rows
from trainer.run.checkpoints import refuse_to_begin_again
from trainer.run.folder import check_run_folder, has_begun
from trainer.run.summary import announce, report_unused
from trainer.settings.checks import check_trained_adapters
from trainer.settings.config import RunConfig

_SHOWN_RATES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the run, where the learning rate is told


def plan(config: RunConfig, report: Report = print) -> None:
    """Build what a run is made of, and say what it would do; nothing is written.

    Args:
        config: Its settings.
        report: Called with every line.

    Raises:
        UsageError: A setting that cannot work.
        DataError: A dataset or run folder that is not whole.
    """
    refuse_workers("--dry-run")
    if not is_in_bucket(config.run):
        _plan_here(config, report)
        return
    with local_copy(config.run) as folder:
        here = replace(config, run=str(folder))
        _plan_here(here, lambda line: report(line.replace(str(folder), config.run)))


def _plan_here(config: RunConfig, report: Report) -> None:
    settings, manifest = resolve_run(config)
    plan_resolved(config, settings, manifest, report)


def plan_resolved(
    config: RunConfig,
    settings: ResolvedRun,
    manifest: Manifest,
    report: Report,
    prepare: Prepare | None = None,
) -> None:
    """Say what a run would do whose settings are known.

    Args:
        config: As the user wrote it.
        settings: Of the run, whose folder is on this machine.
        manifest: Of its dataset.
        report: Called with every line.
        prepare: Called with the model as it is drawn.
    """
    check_run_folder(settings)
    is_new = not has_begun(settings)
    if is_new:
        check_trained_adapters(settings)
    strategy = open_devices(settings)
    model, optimizer, fit_model = make_model(
        settings, strategy, None if is_new else Path(settings.run), prepare
    )
    batches = make_batches(settings, manifest)
    found = newest_whole(Path(settings.run) / CHECKPOINTS["last"], report)
    if found is None:
        refuse_to_begin_again(Path(settings.run))
    first = found.step if found else 0
    where = fit_model, batches, strategy, first
    announce(config, settings, manifest, *where, report, is_new=is_new)
    rates = ", ".join(
        f"{float(optimizer.rate_at(round(share * (settings.training.steps - 1)))):.2g}"
        for share in _SHOWN_RATES
    )
    report(
        f"{settings.optimizer.name}, {settings.optimizer.schedule}: learning rates {rates} at 0, "
        f"25, 50, 75 and 100 % of {settings.training.steps:,} steps"
    )
    if settings.training.tasks_per_step > 1:
        report(
            f"{settings.training.tasks_per_step} tasks a step, balanced by "
            f"{settings.balancing.method}"
        )
    by_task = has_best_rows(settings, model)
    for line in _describe_validation(settings, manifest, by_task):
        report(line)
    if settings.optimizer.ema_decay:
        report(f"exported: averages of what trains, decay {settings.optimizer.ema_decay:g}")
    report_unused(settings, manifest, report, by_task=by_task)
    report(f"nothing was written: {settings.run} would be {'new' if is_new else 'gone on with'}")


def _describe_validation(settings: ResolvedRun, manifest: Manifest, by_task: bool) -> list[str]:
    training, number = settings.training, len(validation_splits(settings, manifest))
    if not number:
        return []
    examples = count_validated(settings, manifest)
    every = training.validate_every or training.steps
    count = training.steps // every + bool(training.steps % every)
    plural = "s" * (count != 1)
    tasks = f"{number} task{'s' * (number != 1)}"
    each = "each " * (count != 1)
    lines = [f"{count} validation{plural}, {each}of {examples:,} examples, those of {tasks}"]
    whose = "each task keeps its own best step" if by_task else "one best step for all tasks"
    patience = training.patience
    ends = f"; the run ends after {patience} without a better one" if patience else ""
    return [*lines, f"best by {training.best_metric}: {whose}{ends}"]
