"""Building a dataset folder: plan, write shards, then the manifest, then move it into place.

Everything is written into a hidden folder beside the final one and renamed when whole, so that a
crash at any moment leaves either the finished folder or nothing that could be mistaken for it; the
next build takes the finished shards from there. A dataset that shall be in a bucket is written to
a folder of its own among the temporary files, and staged from there.

A task that fails does not keep the others from being built: the manifest lists it, with the
reason, under `failed`. Building again with the same options tries it again and leaves what is
finished as it is (in a bucket, all is built again). If every task fails, nothing is written.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from prep.build.finishing import measure_packing
from prep.build.journal import Journal, fingerprint_task
from prep.build.options import BuildOptions
from prep.build.planned import list_differences, plan_entry, plan_manifest
from prep.build.whole_folder import (
    Target,
    is_leftover,
    owned_everywhere,
    owned_target,
    written_whole,
)
from prep.build.writing import TaskWriter, copy_tasks, describe_failure
from prep.dataset.entries import PackingEntry, TaskEntry
from prep.dataset.manifest import (
    MANIFEST_FILE,
    VOCABULARY_FILE,
    Manifest,
    load_manifest,
    parse_manifest,
    write_manifest,
)
from prep.errors import DataError, UsageError
from prep.runners.choice import JobRunner, choose_runner
from prep.shards.jobs import EncodingSettings
from prep.splits.finding import plan_task
from prep.splits.plan import TaskPlan
from prep.splits.selection import select_rows
from prep.storage import LocalPlace, Place, place_of
from prep.storage.durable_files import write_durably
from prep.tasks.source_choice import read_from
from prep.tasks.task import Task
from prep.tasks.wordings import worded_as
from prep.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class _Build:
    """All that is decided before a row is encoded.

    Attributes:
        options: What was asked for.
        out: Where the folder belongs.
        planned: The manifest as planned.
        plans: The tasks that can be built.
        vocabulary: Turns texts into token ids.
        finished: Entries of tasks that an earlier build finished, and that are taken over.
    """

    options: BuildOptions
    out: Place
    planned: Manifest
    plans: Sequence[TaskPlan]
    vocabulary: Vocabulary
    finished: Mapping[str, TaskEntry]


def build_dataset(options: BuildOptions, report: Callable[[str], None] = print) -> Manifest:
    """Build a dataset folder, or find that it is already there.

    Args:
        options: What to build.
        report: Receives lines for the person who waits.

    Returns:
        The manifest of the folder; its `failed` says which tasks are not in it, and why.

    Raises:
        UsageError: If the folder is there with other options, or is something else.
        DataError: If no task could be built, or the folder has a task that could not be now.
        OSError: If the disk refuses; nothing half-written is left.
    """
    with owned_target(place_of(options.out), report) as target:
        return _build_owned(options, target, report)


def _build_owned(options: BuildOptions, target: Target, report: Callable[[str], None]) -> Manifest:
    out = target.out
    run_jobs = choose_runner(options.runner, options.beam_options, out, options.workers, report)
    vocabulary = Vocabulary(options.vocabulary, blank_after_sentinels=options.blank_after_sentinels)
    existing = _existing_manifest(out)
    plans, planned = _plan_tasks(options, vocabulary)
    finished: dict[str, TaskEntry] = {}
    if existing is not None:
        differences = list_differences(planned, existing)
        if differences and not options.force:
            _refuse(out, planned, existing, differences)
        if not differences and not existing.failed:
            report(f"{out} is already built with these options; nothing to do")
            return existing
        if not differences and not out.is_remote:
            finished = dict(existing.tasks)
            report(f"trying again: {', '.join(existing.failed)}")
    for name, reason in planned.failed.items():
        report(f"task {name!r} failed, the others go on: {reason}")
    for note in (f"{plan.task.name}: {note}" for plan in plans for note in plan.notes):
        report(f"note: {note}")
    with owned_everywhere(target, report), written_whole(target, report) as folder:
        if out.is_remote and _existing_manifest(out) != existing:
            raise DataError(f"{out} was changed by another build meanwhile; look, and build again")
        build = _Build(options, out, planned, plans, vocabulary, finished)
        return _write_folder(folder, build, run_jobs)


def _plan_tasks(options: BuildOptions, vocabulary: Vocabulary) -> tuple[list[TaskPlan], Manifest]:
    """Plan what can be planned; of every other task, the manifest tells why it cannot."""
    plans: list[TaskPlan] = []
    entries: dict[str, TaskEntry] = {}
    failures: dict[str, str] = {}
    for task in list(_chosen_tasks(options)):  # mistakes in what was asked for come first
        try:
            entries[task.name] = plan_entry(task, vocabulary, options.max_target_length)
            plans.append(plan_task(task, options.data_dir, options.shard_records))
        except UsageError:
            raise
        except Exception as error:
            failures[task.name] = describe_failure(task.name, error)
    if not plans:
        raise _all_failed(failures)
    plans = select_rows(plans, options.selection, failures)
    planned = plan_manifest(options, vocabulary, plans, entries)
    return plans, dataclasses.replace(planned, failed=failures)


def _refuse(
    out: Place, planned: Manifest, existing: Manifest, differences: Sequence[str]
) -> NoReturn:
    lost = {name: why for name, why in planned.failed.items() if name in existing.tasks}
    if lost:
        reasons = "; ".join(f"task {name!r}: {reason}" for name, reason in lost.items())
        raise DataError(f"{out} is left as it is, since what it has cannot be built now: {reasons}")
    raise UsageError(
        f"{out} was built with other options ({', '.join(differences)} differ); choose another"
        " `out`, or replace it with `force`"
    )


def _chosen_tasks(options: BuildOptions) -> Iterator[Task]:
    """Yield the tasks as this build makes them."""
    for task in options.tasks:
        chosen = read_from(task, options.source)
        chosen = worded_as(chosen, options.format, options.has_name_in_front)
        if chosen.choices and options.pack:
            raise UsageError(
                f"`pack`: task {task.name!r} has a text for each choice, and a packed row has one"
                " for each example"
            )
        yield dataclasses.replace(chosen, truncation=options.truncation or task.truncation)


def _existing_manifest(out: Place) -> Manifest | None:
    """Return the manifest of a finished folder, None if the place is free."""
    if not isinstance(out, LocalPlace):
        return _staged_manifest(out)
    folder = out.path
    if not folder.exists() or (folder.is_dir() and all(map(is_leftover, folder.iterdir()))):
        return None
    if not (folder / MANIFEST_FILE).is_file():
        raise UsageError(f"{out} exists and is no dataset folder; choose another `out`")
    return load_manifest(out)


def _staged_manifest(out: Place) -> Manifest | None:
    """Ask before the work begins, so that a bucket that isn't there is known at once."""
    from prep.storage.bucket import BucketFolder  # loads Google's client

    with BucketFolder(str(out)) as folder:
        content = folder.read(MANIFEST_FILE)
    return parse_manifest(content, str(out / MANIFEST_FILE)) if content else None


def _write_folder(folder: Path, build: _Build, run_jobs: JobRunner) -> Manifest:
    """Write the tasks that are not finished, copy those that are, and write the manifest last."""
    if (folder / MANIFEST_FILE).is_file():  # killed when only moving or staging was left
        whole = load_manifest(folder)
        if not whole.failed and not list_differences(build.planned, whole):
            return whole
    waiting = [plan for plan in build.plans if plan.task.name not in build.finished]
    journal = _open_journal(folder, build, waiting)
    writer = TaskWriter(folder, waiting, journal)
    writer.write(_encoding_settings(folder, build), run_jobs)
    entries = writer.finish(build.planned, build.options.accept_rejects)
    manifest = _finished_manifest(build, entries, writer.failures)
    copy_tasks(build.finished, build.out, folder)
    journal.remove()
    write_manifest(folder, manifest)
    return manifest


def _open_journal(folder: Path, build: _Build, waiting: Sequence[TaskPlan]) -> Journal:
    selection, modules = build.options.selection, build.options.modules
    fingerprints = {
        plan.task.name: fingerprint_task(build.planned, plan.task.name, selection, modules)
        for plan in waiting
    }
    return Journal(folder, fingerprints)


def _encoding_settings(folder: Path, build: _Build) -> EncodingSettings:
    """Say what all shards have in common, and put the vocabulary into the folder."""
    options, place = build.options, build.vocabulary.place
    write_durably(folder / VOCABULARY_FILE, place.read_bytes())
    return EncodingSettings(
        str(folder / VOCABULARY_FILE) if place.is_remote else str(place),
        options.max_input_length,
        options.max_target_length,
        tuple(map(str, options.modules)),
        options.pack,
        options.pack_target_length,
        options.blank_after_sentinels,
    )


def _finished_manifest(
    build: _Build, written: Mapping[str, TaskEntry], failed: Mapping[str, str]
) -> Manifest:
    planned = build.planned
    entries = {**build.finished, **written}
    failures = {**planned.failed, **failed}
    if not entries:
        raise _all_failed(failures)
    names = [task.name for task in build.options.tasks]
    return dataclasses.replace(
        planned,
        packing=_measured_packing(planned, entries),
        tasks={name: entries[name] for name in planned.tasks if name in entries},
        failed={name: failures[name] for name in names if name in failures},
    )


def _measured_packing(planned: Manifest, entries: Mapping[str, TaskEntry]) -> PackingEntry | None:
    splits = [split for entry in entries.values() for split in entry.splits.values()]
    lengths = [split.packing.target_length for split in splits if split.packing]
    if planned.packing is None or not lengths:
        return planned.packing
    packed = [split for split in splits if split.packing]
    return measure_packing(planned.packing, packed, max(lengths))


def _all_failed(failures: Mapping[str, str]) -> DataError:
    reasons = "; ".join(f"task {name!r}: {reason}" for name, reason in failures.items())
    return DataError(reasons if len(failures) == 1 else f"every task failed: {reasons}")
