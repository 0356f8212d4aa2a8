"""`add-task`: a new task's row is trained alone, then a run folder is written that has it too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from adapters_tf import TaskModel
from adapters_tf.files.bucket_runs import is_in_bucket
from adapters_tf.model.heads import read_heads
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import use_kept_sources
from adapters_tf.runtime.workers import refuse_workers
from prep import DataError, UsageError, load_manifest
from prep.storage.durable_files import write_atomically
from trainer.adding.grown_run import write_grown_run
from trainer.adding.options import AddedTask
from trainer.adding.row import Merging, begin_row, choose_start, fits_heads, in_words
from trainer.adding.trained_run import read_trained_run
from trainer.fit import Hooks, train_owned
from trainer.parts import resolve_run
from trainer.plan import plan_resolved
from trainer.run.folder import has_begun
from trainer.run.lock import owned_folder

ORIGIN_FILE = "origin.json"  # in the folder where the row trains: what it began from


def add_task(asked: AddedTask, report: Callable[[str], None] = print) -> bool:
    """Grow a trained run by a task, or go on with it where that stopped.

    The row trains in a hidden folder beside `out`; `out` appears at the end, whole. The run that
    grows is read and never written to.

    Args:
        asked: What is asked for.
        report: Called with every line of progress.

    Returns:
        Whether it is done, or was told; where a signal stopped it, the same command goes on.

    Raises:
        UsageError: What cannot be; nothing was written.
        DataError: A dataset, or a run, that is not whole.
    """
    refuse_workers("add-task")
    if not is_in_bucket(asked.out):
        return add_here(asked, report)
    from trainer.run.bucket_run import owned_bucket_run  # loads Google's client

    with owned_bucket_run(asked.out, report) as run:
        here = replace(asked, out=str(run.local))
        return add_here(here, lambda line: report(run.shown(line)), run.address)


def add_here(asked: AddedTask, report: Callable[[str], None], known_as: str = "") -> bool:
    """Grow a run into a folder on this machine.

    Args:
        asked: What is asked for.
        report: Called with every line of progress.
        known_as: Where others find the new run, if the folder is the copy of one in a bucket.

    Returns:
        As `add_task`.

    Raises:
        UsageError: What cannot be; nothing was written.
        DataError: A dataset, or a run, that is not whole.
    """
    out = Path(asked.out)
    _check_empty(out)
    chosen = choose_start(asked.start, asked.task, asked.origin.tasks, asked.nearest_by)
    training = out.with_name(f".{out.name}.training")
    # What the run is built on lies in its own folder.
    adapters = use_kept_sources(asked.origin.adapters, Path(asked.run))
    adapters = replace(adapters, start_from="", nearest_by="")
    config = replace(asked.config, run=str(training), adapters=adapters)
    settings, manifest = resolve_run(config)
    _check_vocabulary(settings, asked.origin)
    run = read_trained_run(Path(asked.run))

    file = training / ORIGIN_FILE
    merging = Merging(chosen, asked.how, asked.density)
    how = "mean" if asked.how == "mean" else f"{asked.how}, density {asked.density:g}"
    began = {"run": asked.name(), "checkpoints": run.digest, "from": asked.start, "how": how}

    def prepare(model: TaskModel) -> None:
        begin_row(model, run, asked.origin, merging)
        if not asked.is_dry:
            write_atomically(file, (json.dumps(began, indent=2) + "\n").encode())

    def say(line: str) -> None:
        report(line.replace(str(training), str(out)))  # where it will lie

    if asked.is_dry:
        if has_begun(settings):
            _check_origin(file, began)
        say(_describe_start(asked, chosen, settings))
        plan_resolved(config, settings, manifest, say, prepare)
        return True
    with owned_folder(training):
        if has_begun(settings):
            _check_origin(file, began)
        say(_describe_start(asked, chosen, settings))
        outcome = train_owned(config, settings, manifest, say, Hooks(prepare))
        if not outcome.is_done:
            return False
        trained = read_trained_run(training)
        names = asked.name(), known_as or str(out)
        write_grown_run(asked.origin, run, settings, trained, out, names)
        shutil.rmtree(training)
    for line in _describe_end(asked, settings.dataset):
        report(line)
    return True


def _check_empty(out: Path) -> None:
    """Refuse a folder that holds something, and a file."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something already; choose a new folder for --out")


def _check_vocabulary(settings: ResolvedRun, origin: ResolvedRun) -> None:
    """Refuse token ids of another vocabulary than the run's."""
    if settings.vocabulary_sha256 != origin.vocabulary_sha256:
        raise DataError(
            f"dataset {settings.dataset} has vocabulary {settings.vocabulary_sha256[:12]}…, and "
            f"the run was trained with {origin.vocabulary_sha256[:12]}…; use the same"
        )


def _describe_start(asked: AddedTask, chosen: Sequence[str], settings: ResolvedRun) -> str:
    """Say what the row begins with, and what of it no row of the run has to give."""
    names = ", ".join(chosen)
    merged = f"the mean of {names}" if asked.how == "mean" else f"{names}, merged by {asked.how}"
    what = merged if len(chosen) > 1 else "".join(chosen)
    heads = settings.heads
    own = read_heads(heads.kinds, heads.answers, heads.words).get(asked.task)
    worded = in_words(asked.origin, chosen)
    if own is not None and chosen and not fits_heads(own, asked.origin, chosen):
        what += ", its head anew"
    elif own is None and len(worded) < len(chosen):
        what += f", its decoder's adapters from {', '.join(worded) or 'scratch'}"
    return f"{asked.task} starts from {what or 'scratch'}; all else stays as it is"


def _describe_end(asked: AddedTask, dataset: str) -> Iterator[str]:
    """Say what there is now, and the commands that score it: the new task's dataset is its own.

    Of a run that has grown before, the dataset it names is that of the task added last.
    """
    tasks, score = asked.origin.tasks, f"python -m eval --run {asked.out}"
    yield f"done: {asked.out} has {len(tasks) + 1} tasks, {asked.task} the last of them"
    yield f"  next: {score}"
    if dataset == asked.origin.dataset:
        return
    there = _tasks_of(asked.origin.dataset)
    scored = [task for task in tasks if task in there]
    left = [task for task in tasks if task not in there]
    if scored:
        yield f"  {', '.join(scored)}: {score} --dataset {asked.origin.dataset}"
    if left:
        yield f"  {', '.join(left)}: {score} --dataset, with the folder they are in"


def _tasks_of(dataset: str) -> Collection[str]:
    try:
        return load_manifest(dataset).tasks
    except (DataError, OSError):  # it may have gone since
        return ()


def _check_origin(file: Path, began: Mapping[str, str]) -> None:
    """Refuse to go on with a row that was begun from anything else."""
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    before = {"how": "mean", **before}  # of earlier versions
    for name, value in began.items():
        if before.get(name) != value:
            what = "another state of the run" if name == "checkpoints" else repr(before.get(name))
            raise UsageError(
                f"{file.parent} was begun with {what} ({name}); use the same, or another --out, or "
                "remove that folder"
            )
