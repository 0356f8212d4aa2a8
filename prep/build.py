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
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from prep import storage
from prep.durable_files import write_durably
from prep.encoding import EncodingSettings
from prep.errors import DataError, UsageError
from prep.finishing import measure_packing
from prep.journal import Journal, fingerprint_task
from prep.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    VOCABULARY_FILE,
    Manifest,
    PackingEntry,
    TaskEntry,
    VocabularyEntry,
    load_manifest,
    parse_manifest,
    write_manifest,
)
from prep.planning import plan_task
from prep.runners import JobRunner, check_runner, choose_runner
from prep.splits import Selection, TaskPlan, select_rows
from prep.task import Task
from prep.truncation import check_truncation
from prep.vocabulary import Vocabulary
from prep.whole_folder import written_whole
from prep.writing import TaskWriter, copy_tasks, describe_failure

_VERSIONED_LIBRARIES = ("numpy", "sentencepiece")  # the ones that decide bytes


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        tasks: The tasks, in the order given.
        vocabulary: Path of the SentencePiece model, local or gs://.
        out: The dataset folder to make, local or gs://.
        data_dir: Folder that holds a folder per task, local or gs://; None if all tasks are
            generated.
        max_input_length: Tokens, EOS included; longer inputs are cut as their task says.
        max_target_length: Tokens, EOS included; longer targets lose their end.
        shard_records: Source rows per shard.
        workers: Processes.
        force: Whether to replace a dataset built with other options.
        truncation: What to keep of long inputs, for every task; None leaves it to the task.
        format: The publication to word the tasks as: "t5" or "hyperformer".
        has_name_in_front: In the second, whether inputs begin with the task's name.
        source: Where to read from: "files", "tfds" or "hf".
        selection: Splits to carve, and how many rows to take of each.
        modules: Python files that define some of the tasks; every worker imports them.
        runner: What runs the workers: "local" processes, or an Apache "beam" pipeline.
        beam_options: Options of Beam and its runner, such as --runner=DataflowRunner.
        pack: Whether to put several training examples into a record of `max_input_length` tokens.
        pack_target_length: Target tokens that such a record may have; 0: as few as cost none.
    """

    tasks: tuple[Task, ...]
    vocabulary: storage.StoragePath
    out: storage.StoragePath
    data_dir: storage.StoragePath | None = None
    max_input_length: int = 512
    max_target_length: int = 512
    shard_records: int = 2048
    workers: int = 1
    force: bool = False
    truncation: str | None = None
    format: str = "t5"
    has_name_in_front: bool = False
    source: str = "files"
    selection: Selection = field(default_factory=Selection)
    modules: tuple[Path, ...] = ()
    runner: str = "local"
    beam_options: tuple[str, ...] = ()
    pack: bool = False
    pack_target_length: int = 0

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UsageError("no task to build: name at least one with --tasks")
        if self.truncation is not None:
            check_truncation(self.truncation, "--truncation")
        least = {"max_input_length": 2, "max_target_length": 2, "shard_records": 1, "workers": 1}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} is {getattr(self, name)}; it must be >= {minimum}")
        check_runner(self.runner, self.beam_options)
        if self.pack_target_length and not self.pack:
            raise UsageError("--pack-target-length is for --pack")
        if self.pack_target_length < 0:
            raise UsageError(f"--pack-target-length is {self.pack_target_length}; it must be >= 0")


def build_dataset(options: BuildOptions, report: Callable[[str], None] = print) -> Manifest:
    """Builds a dataset folder, or finds that it is already there.

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
    run_jobs = choose_runner(
        options.runner, options.beam_options, options.out, options.workers, report
    )
    vocabulary = Vocabulary(options.vocabulary)
    existing = _existing_manifest(options.out)
    plans, failures = _plan_tasks(options)
    planned = dataclasses.replace(_planned_manifest(options, vocabulary, plans), failed=failures)
    finished: dict[str, TaskEntry] = {}
    if existing is not None:
        differences = _differences(planned, existing)
        if differences and not options.force:
            _refuse(options.out, planned, existing, differences)
        if not differences and not existing.failed:
            report(f"{options.out} is already built with these options; nothing to do")
            return existing
        if not differences and not storage.is_remote(options.out):
            finished = dict(existing.tasks)
            report(f"trying again: {', '.join(existing.failed)}")
    for name, reason in failures.items():
        report(f"task {name!r} failed, the others go on: {reason}")
    for note in (f"{plan.task.name}: {note}" for plan in plans for note in plan.notes):
        report(f"note: {note}")
    with written_whole(options.out, report) as folder:
        return _write_folder(folder, options, planned, plans, vocabulary, finished, run_jobs)


def _plan_tasks(options: BuildOptions) -> tuple[list[TaskPlan], dict[str, str]]:
    """Plans what can be planned; of every other task, the reason why it cannot."""
    plans: list[TaskPlan] = []
    failures: dict[str, str] = {}
    for task in list(_chosen_tasks(options)):  # mistakes in what was asked for come first
        try:
            plans.append(plan_task(task, options.data_dir, options.shard_records))
        except UsageError:
            raise
        except (ValueError, OSError) as error:
            failures[task.name] = describe_failure(task.name, error)
    if not plans:
        raise _all_failed(failures)
    return select_rows(plans, options.selection, failures), failures


def _refuse(
    out: storage.StoragePath, planned: Manifest, existing: Manifest, differences: Sequence[str]
) -> NoReturn:
    lost = {name: why for name, why in planned.failed.items() if name in existing.tasks}
    if lost:
        reasons = "; ".join(f"task {name!r}: {reason}" for name, reason in lost.items())
        raise DataError(f"{out} is left as it is, since what it has cannot be built now: {reasons}")
    raise UsageError(
        f"{out} was built with other options ({', '.join(differences)} differ); choose another"
        " --out, or replace it with --force"
    )


def _chosen_tasks(options: BuildOptions) -> Iterator[Task]:
    """The tasks as this build makes them."""
    for task in options.tasks:
        chosen = task.read_from(options.source)
        chosen = chosen.in_format(options.format, options.has_name_in_front)
        yield dataclasses.replace(chosen, truncation=options.truncation or task.truncation)


def _existing_manifest(directory: storage.StoragePath) -> Manifest | None:
    """Returns the manifest of a finished folder, None if the place is free."""
    if storage.is_remote(directory):
        return _staged_manifest(str(directory))
    out = Path(directory)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / MANIFEST_FILE).is_file():
        raise UsageError(f"{out} exists and is no dataset folder; choose another --out")
    return load_manifest(out)


def _staged_manifest(address: str) -> Manifest | None:
    """Asks before the work begins, so that a bucket that isn't there is known at once."""
    from prep.bucket import BucketFolder  # loads Google's client

    with BucketFolder(address) as folder:
        content = folder.read(MANIFEST_FILE)
    return parse_manifest(content, storage.join(address, MANIFEST_FILE)) if content else None


def _planned_manifest(
    options: BuildOptions, vocabulary: Vocabulary, plans: Sequence[TaskPlan]
) -> Manifest:
    """Everything of the manifest that is known before a row was encoded."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        vocabulary=VocabularyEntry(
            VOCABULARY_FILE, vocabulary.sha256, vocabulary.size, vocabulary.extra_ids
        ),
        max_input_length=options.max_input_length,
        max_target_length=options.max_target_length,
        packing=_planned_packing(options),
        shard_records=options.shard_records,
        tasks={plan.task.name: _planned_task(plan, vocabulary) for plan in plans},
        library_versions={name: importlib.metadata.version(name) for name in _VERSIONED_LIBRARIES},
        format=options.format,
    )


def _planned_packing(options: BuildOptions) -> PackingEntry | None:
    if not options.pack:
        return None
    return PackingEntry(
        options.max_input_length, options.pack_target_length, options.pack_target_length
    )


def _planned_task(plan: TaskPlan, vocabulary: Vocabulary) -> TaskEntry:
    words = plan.task.label_words
    return TaskEntry(
        name=plan.task.name,
        kind=plan.task.kind,
        label_words=words,
        label_token_ids=tuple(tuple(vocabulary.encode(word)) for word in words),
        metrics=plan.task.metrics,
        decoding_length=0,
        mixture_size=0,
        splits={},
        sources=plan.sources,
        notes=plan.notes,
        definition=plan.task.definition_digest(),
        truncation=plan.task.truncation,
    )


def _asked_for(manifest: Manifest) -> set[str]:
    return {*manifest.tasks, *manifest.failed}


def _packing_options(manifest: Manifest) -> tuple[int, int] | None:
    packing = manifest.packing
    return None if packing is None else (packing.input_length, packing.asked_target_length)


def _differences(planned: Manifest, existing: Manifest) -> list[str]:
    """Names what a planned build would do otherwise than the one that is there."""
    names = ["vocabulary", "max_input_length", "max_target_length", "shard_records"]
    names += ["library_versions", "format"]
    different = [name for name in names if getattr(planned, name) != getattr(existing, name)]
    if _packing_options(planned) != _packing_options(existing):
        different.append("packing")
    if _asked_for(planned) != _asked_for(existing):
        return [*different, "tasks"]
    different += [f"sources of {task}" for task in existing.tasks if task in planned.failed]
    per_task = ("kind", "label_words", "metrics", "sources", "definition", "truncation", "notes")
    both = [task for task in planned.tasks if task in existing.tasks]
    for task, name in ((task, name) for task in both for name in per_task):
        if getattr(planned.tasks[task], name) != getattr(existing.tasks[task], name):
            different.append(f"{name} of {task}")
    return different


def _write_folder(
    folder: Path,
    options: BuildOptions,
    planned: Manifest,
    plans: Sequence[TaskPlan],
    vocabulary: Vocabulary,
    finished: Mapping[str, TaskEntry],
    run_jobs: JobRunner,
) -> Manifest:
    """Writes the tasks that are not finished, copies those that are, and the manifest last."""
    if (folder / MANIFEST_FILE).is_file():  # killed when only moving or staging was left
        whole = load_manifest(folder)
        if not whole.failed and not _differences(planned, whole):
            return whole
    waiting = [plan for plan in plans if plan.task.name not in finished]
    fingerprints = {
        plan.task.name: fingerprint_task(
            planned, plan.task.name, options.selection, options.modules
        )
        for plan in waiting
    }
    journal = Journal(folder, fingerprints)
    write_durably(folder / VOCABULARY_FILE, storage.read_bytes(vocabulary.path))
    is_remote = storage.is_remote(vocabulary.path)
    settings = EncodingSettings(
        str(folder / VOCABULARY_FILE) if is_remote else vocabulary.path,
        options.max_input_length,
        options.max_target_length,
        tuple(map(str, options.modules)),
        options.pack,
        options.pack_target_length,
    )
    writer = TaskWriter(folder, waiting, journal)
    writer.write(settings, run_jobs)
    entries = {**finished, **writer.finish(planned)}
    failures = {**planned.failed, **writer.failures}
    if not entries:
        raise _all_failed(failures)
    copy_tasks(finished, Path(options.out), folder)
    manifest = dataclasses.replace(
        planned,
        packing=_measured_packing(planned, entries),
        tasks={name: entries[name] for name in planned.tasks if name in entries},
        failed={task.name: failures[task.name] for task in options.tasks if task.name in failures},
    )
    journal.remove()
    write_manifest(folder, manifest)
    return manifest


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
