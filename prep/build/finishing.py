"""What came of a task's shards → its entry in the manifest, and the names its shards keep."""

import dataclasses
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from prep.dataset.entries import ITSELF, PackingEntry, ShardEntry, SplitEntry, TaskEntry
from prep.dataset.length_counts import write_length_counts
from prep.dataset.manifest import REJECTED_FILE
from prep.errors import DataError
from prep.records.packed import PACKED_SPLITS
from prep.shards.jobs import ShardResult
from prep.splits.plan import TaskPlan
from prep.tasks.examples import TRAIN_SPLIT
from prep.tasks.task import Task
from prep.tokens.packing import round_up

MANY_REPEATED = 0.1  # of a split's examples
_DETAIL_CHARACTERS = 200  # of what is wrong with a row, in a message


def finish_task(
    folder: Path,
    entry: TaskEntry,
    plan: TaskPlan,
    results: Mapping[str, Sequence[ShardResult]],
    packing: PackingEntry | None = None,
    accept_rejects: bool = False,
) -> TaskEntry:
    """Name a task's shards for good and sum up its splits.

    Args:
        folder: The dataset folder.
        entry: What the manifest says of the task before its rows are encoded.
        plan: The task's splits.
        results: What came of the task's shards, by split, in any order.
        packing: How training records are packed, before they are counted; None if they are not.
        accept_rejects: Whether a split may lose half of its rows or more.

    Returns:
        The whole entry.

    Raises:
        DataError: If nothing, or too little, is left of a split.
        OSError: If the disk refuses.
    """
    task = plan.task
    ordered = {
        split.split: sorted(results.get(split.split, ()), key=lambda result: result.job_index)
        for split in plan.splits
    }
    _join_rejected(folder / task.name)
    for name, found in ordered.items():
        _check_losses(folder, task, name, found, accept_rejects)
    splits = {name: _finish_split(folder, task, name, ordered[name]) for name in ordered}
    if packing is not None:
        for name in set(PACKED_SPLITS) & set(splits):
            fullest = round_up(max(result.fullest_targets for result in ordered[name]))
            target_length = packing.asked_target_length or fullest
            measured = measure_packing(packing, [splits[name]], target_length)
            splits[name] = dataclasses.replace(splits[name], packing=measured)
    duplicates = _count_duplicates(ordered)
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


def measure_packing(
    planned: PackingEntry, splits: Sequence[SplitEntry], target_length: int
) -> PackingEntry:
    """Count how full the rows of packed splits are.

    Args:
        planned: Their input length, and what was asked for.
        splits: The splits; at least one.
        target_length: Target positions of a row.

    Returns:
        The whole entry.
    """
    inputs = sum(split.input_tokens for split in splits)
    targets = sum(split.target_tokens for split in splits)
    examples = sum(split.examples for split in splits)
    rows = sum(shard.records for split in splits for shard in split.shards)
    longest_input = max(split.longest_input for split in splits)
    longest_target = max(split.longest_target for split in splits)
    return dataclasses.replace(
        planned,
        target_length=target_length,
        rows=rows,
        input_share=round(inputs / (rows * planned.input_length), 6),
        target_share=round(targets / (rows * target_length), 6),
        unpacked_input_share=round(inputs / (examples * longest_input), 6),
        unpacked_target_share=round(targets / (examples * longest_target), 6),
    )


def _check_losses(
    folder: Path, task: Task, split: str, results: Sequence[ShardResult], accept_rejects: bool
) -> None:
    """Refuse a split of which nothing is left, or less than half if nobody said that it may be."""
    rejected: Counter[str] = sum((result.rejected for result in results), Counter())
    rows = sum(result.rows - result.blank for result in results)
    dropped = _count_dropped(results)
    is_empty = not any(result.examples for result in results)
    if not is_empty and (accept_rejects or 2 * rejected.total() < max(rows, 1)):
        return
    lost = Counter(rejected)
    if is_empty:
        lost.update({f"left out by {name}": count for name, count in dropped.items()})
    found = _first_rejected(folder / task.name / REJECTED_FILE, split)
    reasons = ", ".join(
        f"{count:,} × {reason}{found.get(reason, '')}" for reason, count in lost.most_common()
    )
    where = f"task {task.name!r}: split {split!r}"
    if is_empty and not lost:
        raise DataError(f"{where} is empty: its file has no rows")
    if is_empty:
        raise DataError(f"{where} is empty: every row was rejected ({reasons})")
    raise DataError(
        f"{where}: {rejected.total():,} of {rows:,} rows were rejected ({reasons}); to go on"
        " without them, build with `accept_rejects`"
    )


def _first_rejected(file: Path, split: str) -> dict[str, str]:
    """Find the first rejected row of each reason, and tell where it is and what is wrong."""
    examples: dict[str, str] = {}
    for line in file.read_bytes().splitlines() if file.exists() else ():
        row = json.loads(line)
        if row["split"] == split and row["reason"] not in examples:
            detail = textwrap.shorten(row["detail"], _DETAIL_CHARACTERS, placeholder=" …")
            shown = f", {detail}" if detail else ""
            examples[row["reason"]] = f" (row {row['row']} of {row['file']}{shown})"
    return examples


def _count_dropped(results: Sequence[ShardResult]) -> Counter[str]:
    """Count the rows that were left out, by what left them out."""
    return sum((result.dropped for result in results), Counter())


def _finish_split(
    folder: Path, task: Task, split: str, results: Sequence[ShardResult]
) -> SplitEntry:
    rejected: Counter[str] = sum((result.rejected for result in results), Counter())
    labels: Counter[int] = sum((result.labels for result in results), Counter())
    examples = sum(result.examples for result in results)
    dropped = _count_dropped(results)
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
        dropped=dropped.total(),
        dropped_by=dict(sorted(dropped.items())),
        expanded=sum(result.expanded for result in results),
        unknown_input_tokens=sum(result.unknown_input_tokens for result in results),
        unknown_target_tokens=sum(result.unknown_target_tokens for result in results),
        lossy_inputs=sum(result.lossy_inputs for result in results),
        lossy_targets=sum(result.lossy_targets for result in results),
        input_lengths=write_length_counts(_added_up(one.input_lengths for one in results)),
        target_lengths=write_length_counts(_added_up(one.target_lengths for one in results)),
    )


def _added_up(counts: Iterable[Counter[int]]) -> Counter[int]:
    return sum(counts, Counter())


def _count_duplicates(
    results: Mapping[str, Sequence[ShardResult]],
) -> dict[str, dict[str, int]]:
    """Count by split, and by other split, the examples whose inputs occur in that other one.

    In a split that is scored, examples with the inputs of an earlier one are counted as those of
    `ITSELF`, where they are many: figures of such a split are less sure than they look.
    """
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
    for split, mine in inputs.items():
        repeated = len(mine) - len(np.unique(mine))
        if split != TRAIN_SPLIT and repeated > MANY_REPEATED * len(mine):
            counts[split][ITSELF] = repeated
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
    """Gather what each worker rejected into one file per task, in the order of the rows."""
    parts = sorted(folder.glob(f"*.{REJECTED_FILE}"))
    if not parts:
        return
    with (folder / REJECTED_FILE).open("wb") as joined:
        for part in parts:
            joined.write(part.read_bytes())
            part.unlink()
