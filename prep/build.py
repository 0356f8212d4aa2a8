"""Building a dataset folder: plan, write shards, then the manifest, then move it into place.

Everything is written into a hidden folder beside the final one and renamed when whole, so that a
crash at any moment leaves either the finished folder or nothing that could be mistaken for it. A
dataset that shall be in a bucket is written to a temporary folder and staged from there.
"""

import contextlib
import dataclasses
import importlib.metadata
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prep import storage
from prep.encoding import EncodingSettings, ShardJob, ShardResult, write_durably
from prep.errors import DataError, UsageError
from prep.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    VOCABULARY_FILE,
    Manifest,
    ShardEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
    load_manifest,
    parse_manifest,
    write_manifest,
)
from prep.planning import plan_task
from prep.pool import write_shards
from prep.splits import Selection, SplitPlan, TaskPlan, select_rows
from prep.task import Task
from prep.truncation import check_truncation
from prep.vocabulary import Vocabulary

REJECTED_FILE = "rejected.jsonl"
_VERSIONED_LIBRARIES = ("numpy", "sentencepiece")  # the ones that decide bytes


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        tasks: The tasks, in the order given.
        vocabulary: Path of the SentencePiece model.
        out: The dataset folder to make, local or gs://.
        data_dir: Folder that holds a folder per task; None if all tasks are generated.
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
    """

    tasks: tuple[Task, ...]
    vocabulary: Path
    out: storage.StoragePath
    data_dir: Path | None = None
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


def build_dataset(options: BuildOptions, report: Callable[[str], None] = print) -> Manifest:
    """Builds a dataset folder, or finds that it is already there.

    Args:
        options: What to build.
        report: Receives lines for the person who waits.

    Returns:
        The manifest of the folder.

    Raises:
        UsageError: If the folder is there with other options, or is something else.
        DataError: If the data cannot make the dataset.
        OSError: If the disk refuses; nothing half-written is left.
    """
    vocabulary = Vocabulary(options.vocabulary)
    existing = _existing_manifest(options.out)
    plans = select_rows(
        [
            plan_task(task, options.data_dir, options.shard_records)
            for task in _chosen_tasks(options)
        ],
        options.selection,
    )
    planned = _planned_manifest(options, vocabulary, plans)
    if existing is not None:
        differences = _differences(planned, existing)
        if not differences:
            report(f"{options.out} is already built with these options; nothing to do")
            return existing
        if not options.force:
            raise UsageError(
                f"{options.out} was built with other options ({', '.join(differences)} differ); "
                "choose another --out, or replace it with --force"
            )
    for note in (f"{plan.task.name}: {note}" for plan in plans for note in plan.notes):
        report(f"note: {note}")
    with _written_whole(options.out, report) as folder:
        return _write_folder(folder, options, planned, plans, vocabulary)


@contextlib.contextmanager
def _written_whole(out: storage.StoragePath, report: Callable[[str], None]) -> Iterator[Path]:
    """Yields a local folder to write, which then goes where it belongs, whole or not at all."""
    if not storage.is_remote(out):
        partial = Path(out).with_name(f".{Path(out).name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            yield partial
            _move_into_place(partial, Path(out))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return
    temporary = Path(tempfile.mkdtemp(prefix="prep-"))
    try:
        yield temporary / "dataset"
    except BaseException:
        shutil.rmtree(temporary)
        raise
    _stage(temporary / "dataset", str(out), report)
    shutil.rmtree(temporary)


def _chosen_tasks(options: BuildOptions) -> Iterator[Task]:
    """The tasks as this build makes them."""
    for task in options.tasks:
        chosen = task.read_from(options.source)
        chosen = chosen.in_format(options.format, options.has_name_in_front)
        yield dataclasses.replace(chosen, truncation=options.truncation or task.truncation)


def _stage(folder: Path, address: str, report: Callable[[str], None]) -> None:
    """Copies a finished folder to a bucket; if the bucket refuses, the work is not lost."""
    from prep.staging import describe_staging, stage_dataset  # loads Google's client

    try:
        summary = stage_dataset(folder, address)
    except DataError as error:
        raise DataError(
            f"{error}; the finished dataset was kept: python -m prep stage {folder} {address}"
        ) from error
    for line in describe_staging(summary, address):
        report(line)


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
        packing=False,
        shard_records=options.shard_records,
        tasks={plan.task.name: _planned_task(plan, vocabulary) for plan in plans},
        library_versions={name: importlib.metadata.version(name) for name in _VERSIONED_LIBRARIES},
        format=options.format,
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


def _differences(planned: Manifest, existing: Manifest) -> list[str]:
    """Names what a planned build would do otherwise than the one that is there."""
    names = ["vocabulary", "max_input_length", "max_target_length", "shard_records"]
    names += ["library_versions", "format"]
    different = [name for name in names if getattr(planned, name) != getattr(existing, name)]
    if planned.tasks.keys() != existing.tasks.keys():
        return [*different, "tasks"]
    per_task = ("kind", "label_words", "metrics", "sources", "definition", "truncation", "notes")
    for task, name in ((task, name) for task in planned.tasks for name in per_task):
        if getattr(planned.tasks[task], name) != getattr(existing.tasks[task], name):
            different.append(f"{name} of {task}")
    return different


def _write_folder(
    folder: Path,
    options: BuildOptions,
    planned: Manifest,
    plans: Sequence[TaskPlan],
    vocabulary: Vocabulary,
) -> Manifest:
    folder.mkdir(parents=True)
    write_durably(folder / VOCABULARY_FILE, Path(vocabulary.path).read_bytes())
    settings = EncodingSettings(
        vocabulary.path,
        options.max_input_length,
        options.max_target_length,
        tuple(map(str, options.modules)),
    )
    results: dict[tuple[str, str], list[ShardResult]] = defaultdict(list)
    total = sum(split.rows for plan in plans for split in plan.splits)
    with tqdm(total=total, unit=" rows", unit_scale=True, disable=None) as progress:
        jobs = _make_jobs(folder, plans)
        for job, result in write_shards(jobs, settings, options.workers):
            progress.set_description(f"{job.task.name} {job.split}")
            progress.update(result.rows)
            results[job.task.name, job.split].append(result)
    tasks = {
        plan.task.name: _finish_task(folder, planned.tasks[plan.task.name], plan, results)
        for plan in plans
    }
    manifest = dataclasses.replace(planned, tasks=tasks)
    write_manifest(folder, manifest)
    return manifest


def _make_jobs(folder: Path, plans: Iterable[TaskPlan]) -> Iterator[ShardJob]:
    for plan in plans:
        (folder / plan.task.name).mkdir()
        for split in plan.splits:
            yield from _split_jobs(folder / plan.task.name, split)


def _split_jobs(folder: Path, plan: SplitPlan) -> Iterator[ShardJob]:
    first_example = 0
    for index, block in enumerate(plan.open_blocks()):
        is_member: np.ndarray | None = None
        if plan.is_member is not None:
            is_member = plan.is_member[block.first_index : block.first_index + block.count]
        stem = f"{plan.split}-{index:05d}"
        yield ShardJob(
            plan.task,
            plan.split,
            index,
            block,
            first_example,
            is_member,
            folder / f"{stem}.tfrecord",
            folder / f"{stem}.{REJECTED_FILE}",
        )
        first_example += block.count if is_member is None else int(is_member.sum())


def _finish_task(
    folder: Path,
    entry: TaskEntry,
    plan: TaskPlan,
    results: Mapping[tuple[str, str], Sequence[ShardResult]],
) -> TaskEntry:
    """Names a task's shards for good and sums up its splits."""
    task = plan.task
    _join_rejected(folder / task.name)
    splits = {
        split.split: _finish_split(folder, task, split.split, results[task.name, split.split])
        for split in plan.splits
    }
    duplicates = _count_duplicates({name: results[task.name, name] for name in splits})
    splits = {
        name: dataclasses.replace(split, duplicates=duplicates[name])
        for name, split in splits.items()
    }
    longest = max(split.longest_target for split in splits.values())
    longest_label = max((len(ids) + 1 for ids in entry.label_token_ids), default=0)
    training = splits.get("train") or next(iter(splits.values()))
    return dataclasses.replace(
        entry,
        splits=splits,
        decoding_length=max(longest, longest_label),
        mixture_size=training.examples,
    )


def _finish_split(
    folder: Path, task: Task, split: str, results: Sequence[ShardResult]
) -> SplitEntry:
    rejected: Counter[str] = sum((result.rejected for result in results), Counter())
    labels: Counter[int] = sum((result.labels for result in results), Counter())
    examples = sum(result.records for result in results)
    dropped = sum(result.dropped for result in results)
    if not examples:
        rejected.update({"left out by the task's row functions": dropped} if dropped else {})
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in rejected.most_common())
        raise DataError(
            f"task {task.name!r}: split {split!r} is empty: "
            + (f"every row was rejected ({reasons})" if rejected else "its file has no rows")
        )
    truncated = sum(result.truncated for result in results)
    return SplitEntry(
        examples=examples,
        shards=tuple(_finish_shard(folder, task, split, len(results), one) for one in results),
        truncated=truncated,
        truncated_targets=sum(result.truncated_targets for result in results),
        longest_input=max(result.longest_input for result in results),
        longest_target=max(result.longest_target for result in results),
        label_counts=tuple(labels[index] for index in range(len(task.label_words))),
        rejected=rejected.total(),
        rejected_reasons=dict(sorted(rejected.items())),
        truncated_share=round(truncated / examples, 6),
        dropped=dropped,
        expanded=sum(result.expanded for result in results),
    )


def _count_duplicates(
    results: Mapping[str, Sequence[ShardResult]],
) -> dict[str, dict[str, int]]:
    """Counts by split, and by other split, the examples whose inputs occur in that other one."""
    inputs = {
        split: np.concatenate([result.fingerprints for result in shards])
        for split, shards in results.items()
    }
    counts = {
        split: {
            other: int(np.isin(mine, theirs).sum())
            for other, theirs in inputs.items()
            if other != split
        }
        for split, mine in inputs.items()
    }
    return {
        split: {other: count for other, count in others.items() if count}
        for split, others in counts.items()
    }


def _finish_shard(
    folder: Path, task: Task, split: str, count: int, result: ShardResult
) -> ShardEntry:
    stem = f"{task.name}/{split}-{result.job_index:05d}"
    name = f"{stem}-of-{count:05d}.tfrecord"
    (folder / f"{stem}.tfrecord").rename(folder / name)
    return ShardEntry(
        file=name,
        records=result.records,
        bytes=result.bytes,
        crc32c=result.crc32c,
        input_tokens=result.input_tokens,
        target_tokens=result.target_tokens,
    )


def _join_rejected(folder: Path) -> None:
    """Gathers what each worker rejected into one file per task, in the order of the rows."""
    parts = sorted(folder.glob(f"*.{REJECTED_FILE}"))
    if not parts:
        return
    with (folder / REJECTED_FILE).open("wb") as joined:
        for part in parts:
            joined.write(part.read_bytes())
            part.unlink()


def _move_into_place(partial: Path, out: Path) -> None:
    """Puts the finished folder where it belongs, in place of an older one if there is one."""
    if out.is_dir() and any(out.iterdir()):
        replaced = out.with_name(f".{out.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        out.rename(replaced)
        partial.rename(out)
        shutil.rmtree(replaced)
    else:
        partial.replace(out)
