"""Tasks and a data folder → which rows of which files make which split.

Everything that can be found wrong before the long work starts is found here: missing files and
columns, empty files, corrupt archives.
"""

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prep.errors import DataError, UsageError, nearest
from prep.manifest import SourceEntry
from prep.named_sources import open_splits
from prep.rows import Block, columns_of, read_blocks, row_keys, rows_as_blocks
from prep.sources import (
    Carve,
    FileSource,
    FileSpec,
    GeneratedSource,
    HubSource,
    Layout,
    Row,
    TfdsSource,
)
from prep.task import Task

GENERATED = "generated"
_READ_BYTES = 1 << 20
_SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class SplitPlan:
    """The rows of one split.

    Attributes:
        task: The task.
        split: The split's name.
        rows: How many rows it has.
        open_blocks: Streams the blocks of its origin.
        is_member: bool [rows of the origin], which of them belong to the split; None: all.
    """

    task: Task
    split: str
    rows: int
    open_blocks: Callable[[], Iterator[Block]]
    is_member: np.ndarray | None = None


@dataclass(frozen=True)
class TaskPlan:
    """Everything a build must know about a task before reading its rows.

    Attributes:
        task: The task.
        splits: What to make.
        sources: The files the rows come from.
        notes: What a reader should know about how the splits were made.
    """

    task: Task
    splits: tuple[SplitPlan, ...]
    sources: tuple[SourceEntry, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FoundLayout:
    """A layout whose files are all there.

    Attributes:
        layout: The declaration.
        folder: The task's folder, relative to the data folder.
        paths: Where the file of each split is.
    """

    layout: Layout
    folder: str
    paths: Mapping[str, Path]


def plan_task(task: Task, data_dir: Path | None, shard_records: int) -> TaskPlan:
    """Finds a task's rows.

    Args:
        task: The task.
        data_dir: Folder that holds a folder per task; generated tasks need none.
        shard_records: Rows per block, and so per shard.

    Returns:
        The plan.

    Raises:
        UsageError: If a data folder is needed and none was given.
        DataError: If files or columns are missing, or a file has no rows.
    """
    if isinstance(task.source, GeneratedSource):
        return _plan_generated(task, task.source, shard_records)
    if isinstance(task.source, TfdsSource | HubSource):
        return _plan_named(task, task.source, data_dir, shard_records)
    if data_dir is None:
        raise UsageError(f"task {task.name!r} is read from files: say where with --data-dir")
    return _plan_files(task, find_layout(task, task.source, data_dir), shard_records)


def find_layout(task: Task, source: FileSource, data_dir: Path) -> FoundLayout:
    """Finds the first layout of a task whose files are all there.

    Args:
        task: The task, for error messages.
        source: Its declared folders and layouts.
        data_dir: Folder that holds a folder per task.

    Returns:
        The layout with the paths of its files.

    Raises:
        DataError: If no layout is complete; it names the files that were looked for.
    """
    if not data_dir.is_dir():
        raise DataError(f"no data folder at {data_dir} (task {task.name!r})")
    missing = []
    for layout, folder in itertools.product(source.layouts, source.folders):
        paths = {
            split: _existing(data_dir / folder / spec.name) for split, spec in layout.files.items()
        }
        found = {split: path for split, path in paths.items() if path}
        if len(found) == len(paths):
            return FoundLayout(layout, folder, found)
        missing.append(
            " and ".join(
                f"{folder}/{spec.name}"
                for split, spec in layout.files.items()
                if split not in found
            )
        )
    raise DataError(
        f"task {task.name!r}: its files are not below {data_dir}; missing "
        + ", or else ".join(dict.fromkeys(missing))
    )


def _existing(path: Path) -> Path | None:
    compressed = path.with_name(path.name + ".gz")
    return next((file for file in (path, compressed) if file.is_file()), None)


def _plan_files(task: Task, found: FoundLayout, shard_records: int) -> TaskPlan:
    splits: list[SplitPlan] = []
    sources: list[SourceEntry] = []
    notes = [found.layout.note] if found.layout.note else []
    for split, spec in found.layout.files.items():
        path = found.paths[split]
        _check_columns(task, path, spec)
        open_blocks = functools.partial(read_blocks, path, spec, shard_records)
        name = f"{found.folder}/{path.name}"
        carve = found.layout.carve
        if carve and carve.source == split:
            made = _carve(task, carve, open_blocks)
            notes.append(_describe_carve(carve, made, name))
        else:
            rows = sum(block.count for block in open_blocks())
            made = (SplitPlan(task, split, rows, open_blocks),)
        splits += made
        rows = sum(plan.rows for plan in made)
        digest = _file_sha256(path)
        sources.append(SourceEntry(name, digest, rows, tuple(plan.split for plan in made)))
    splits.sort(key=lambda plan: _SPLIT_ORDER.get(plan.split, len(_SPLIT_ORDER)))
    return TaskPlan(task, tuple(splits), tuple(sources), tuple(notes))


def _plan_generated(task: Task, source: GeneratedSource, shard_records: int) -> TaskPlan:
    rows = source.generate()
    splits = []
    sources = []
    for split, given in rows.items():
        if isinstance(given, Sequence):
            count, digest = len(given), _rows_sha256(given)
            reopen: Callable[[], Iterable[Row]] = functools.partial(_return, given)
        else:
            count, digest = _digest_rows(given)
            reopen = functools.partial(_generate_split, source, split)
        splits.append(_split_of_rows(task, split, count, reopen, shard_records, GENERATED))
        sources.append(SourceEntry(GENERATED, digest, count, (split,)))
    notes = (source.note,) if source.note else ()
    return TaskPlan(task, tuple(splits), tuple(sources), notes)


def _plan_named(
    task: Task, source: TfdsSource | HubSource, data_dir: Path | None, shard_records: int
) -> TaskPlan:
    splits = []
    sources = []
    for split, reopen in open_splits(task.name, source, data_dir).items():
        first = next(iter(reopen()), None)
        name = f"{source.full_name}, {source.splits[split]}"
        if first is None:
            raise DataError(f"task {task.name!r}: {name} has no rows")
        _check_fields(task, name, tuple(first))
        count, digest = _digest_rows(reopen())
        splits.append(_split_of_rows(task, split, count, reopen, shard_records, name))
        sources.append(SourceEntry(name, digest, count, (split,)))
    return TaskPlan(task, tuple(splits), tuple(sources), ())


def _split_of_rows(
    task: Task,
    split: str,
    count: int,
    reopen: Callable[[], Iterable[Row]],
    shard_records: int,
    origin: str,
) -> SplitPlan:
    return SplitPlan(
        task, split, count, functools.partial(_blocks_of_rows, reopen, shard_records, origin)
    )


def _blocks_of_rows(
    reopen: Callable[[], Iterable[Row]], shard_records: int, origin: str
) -> Iterator[Block]:
    return rows_as_blocks(reopen(), shard_records, origin)


def _generate_split(source: GeneratedSource, split: str) -> Iterable[Row]:
    return source.generate()[split]


def _return(rows: Iterable[Row]) -> Iterable[Row]:
    return rows


def _digest_rows(rows: Iterable[Row]) -> tuple[int, str]:
    """Counts rows and fingerprints their content, in one pass."""
    digest = hashlib.sha256()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last count is the number
        digest.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return count, digest.hexdigest()


def _check_columns(task: Task, path: Path, spec: FileSpec) -> None:
    if spec.format == "lines":
        return
    _check_fields(task, str(path), columns_of(path, spec))


def _check_fields(task: Task, where: str, present: Sequence[str]) -> None:
    for name in task.columns or (() if task.all_row_functions else task.fields):
        if name not in present:
            raise DataError(
                f"{where}: task {task.name!r} needs the column {name!r}; columns present: "
                f"{', '.join(present) or 'none'}; {nearest(name, present)}"
            )


def _carve(
    task: Task, carve: Carve, open_blocks: Callable[[], Iterator[Block]]
) -> tuple[SplitPlan, ...]:
    """Deals the rows of one file to two splits."""
    digests = [
        hashlib.blake2b(key, digest_size=16).digest()
        for block in open_blocks()
        for key in row_keys(block)
    ]
    is_new = carve_rows(digests, carve.share, carve.seed)
    rows = int(is_new.sum())
    return (
        SplitPlan(task, carve.split, rows, open_blocks, is_new),
        SplitPlan(task, carve.source, len(is_new) - rows, open_blocks, ~is_new),
    )


def carve_rows(keys: Sequence[bytes], share: float, seed: int) -> np.ndarray:
    """Chooses the rows of a new split by seeded permutation, equal rows always together.

    Args:
        keys: The content of each row.
        share: Share of the rows to choose.
        seed: Of the permutation.

    Returns:
        bool [rows].
    """
    number_of: dict[bytes, int] = {}
    groups = np.array([number_of.setdefault(key, len(number_of)) for key in keys], np.int64)
    order = np.random.default_rng(seed).permutation(len(number_of))
    sizes = np.bincount(groups, minlength=len(order))[order]
    before = np.cumsum(sizes) - sizes
    is_chosen = np.zeros(len(order), bool)
    is_chosen[order] = before < round(share * len(keys))
    return is_chosen[groups]


def _describe_carve(carve: Carve, plans: Sequence[SplitPlan], file: str) -> str:
    made, rest = plans
    return (
        f"{carve.split} ({made.rows:,} rows) was carved out of {file}, the {carve.source}"
        f" file, by a permutation with seed {carve.seed}; {rest.rows:,} rows are left as"
        f" {carve.source}"
    )


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _rows_sha256(rows: Sequence[Row]) -> str:
    return hashlib.sha256(json.dumps(list(rows), sort_keys=True).encode()).hexdigest()
