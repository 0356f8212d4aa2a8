"""Tasks and a data folder → which rows of which files make which split.

Everything that can be found wrong before the long work starts is found here: missing files and
columns, empty files, corrupt archives.
"""

import dataclasses
import difflib
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.dataset.entries import SourceEntry
from prep.errors import DataError, UsageError, nearest
from prep.sources.blocks import Block, columns_of, read_blocks, rows_as_blocks
from prep.sources.bucket_files import fetch_sources
from prep.sources.declarations import (
    COMPRESSIONS,
    FileSource,
    FileSpec,
    GeneratedSource,
    HubSource,
    Layout,
    TfdsSource,
    check_split,
    is_pattern,
)
from prep.sources.formats import describe_separator, text_files
from prep.sources.libraries import as_one_line, open_splits
from prep.sources.row import Row, shown_row
from prep.splits.carving import carve_split, describe_carve
from prep.splits.plan import SplitPlan, TaskPlan, order_splits
from prep.storage import LocalPlace, StoragePath, place_of
from prep.tasks.task import Task

GENERATED = "generated"
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class FoundLayout:
    """A layout whose files are all there.

    Attributes:
        layout: The declaration.
        folder: The task's folder, relative to the data folder.
        paths: Where the files of each split are.
    """

    layout: Layout
    folder: str
    paths: Mapping[str, tuple[Path, ...]]


def plan_task(task: Task, data_dir: StoragePath | None, shard_records: int) -> TaskPlan:
    """Find a task's rows.

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
        with as_one_line(f"task {task.name!r}: its rows"):
            return _plan_generated(task, task.source, shard_records)
    if isinstance(task.source, TfdsSource | HubSource):
        return _plan_named(task, task.source, data_dir, shard_records)
    if data_dir is None:
        raise UsageError(f"task {task.name!r} is read from files: say where with `data_dir`")
    place = place_of(data_dir)
    if isinstance(place, LocalPlace):
        folder = place.path
    else:
        folder = fetch_sources(task.name, task.source, str(place))
    return _plan_files(task, find_layout(task, task.source, folder), shard_records)


def find_layout(task: Task, source: FileSource, data_dir: Path) -> FoundLayout:
    """Find the first layout of a task whose files are all there.

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
    hint = ""
    for layout, folder in itertools.product(source.layouts, source.folders):
        paths = {
            name: _existing(data_dir / folder, name)
            for spec in layout.files.values()
            for name in spec.names
        }
        found = {name: some for name, some in paths.items() if some}
        if len(found) == len(paths):
            of_split = {
                split: tuple(path for name in (spec.name, *spec.parts) for path in found[name])
                for split, spec in layout.files.items()
            }
            return FoundLayout(_with_places(layout, found), folder, of_split)
        absent = [name for name in paths if name not in found]
        missing.append(" and ".join(f"{folder}/{name}" for name in absent))
        hint = hint or _nearest_file(data_dir, folder, absent[0])
    raise DataError(
        f"task {task.name!r}: its files are not below {data_dir}; missing "
        + ", or else ".join(dict.fromkeys(missing))
        + hint
    )


def _nearest_file(data_dir: Path, folder: str, name: str) -> str:
    """Ask whether a file that is there was meant; nothing where none is called alike."""
    place = data_dir / folder
    if not place.is_dir():
        there = [path.name for path in data_dir.iterdir() if path.is_dir()]
        alike = difflib.get_close_matches(folder, there, n=1)
        return f"; did you mean the folder {alike[0]!r}?" if alike else ""
    there = [path.name for path in (place / name).parent.glob("*") if path.is_file()]
    alike = difflib.get_close_matches(Path(name).name, there, n=1)
    return f"; did you mean {(Path(folder, name).parent / alike[0]).as_posix()!r}?" if alike else ""


def _with_places(layout: Layout, found: Mapping[str, list[Path]]) -> Layout:
    """Say where the files are that are read beside others."""
    files = {
        split: dataclasses.replace(spec, beside=tuple(str(found[name][0]) for name in spec.beside))
        if spec.beside
        else spec
        for split, spec in layout.files.items()
    }
    return dataclasses.replace(layout, files=files)


def _existing(folder: Path, name: str) -> list[Path]:
    """Find a file, compressed or not, or all files that a pattern such as "part-*.csv" names."""
    if is_pattern(name) and not (folder / name).exists():
        return sorted(
            path for path in folder.glob(name) if path.is_file() and not path.name.startswith(".")
        )
    path = folder / name
    compressed = (path.with_name(path.name + suffix) for suffix in COMPRESSIONS)
    return [file for file in (path, *compressed) if file.exists()][:1]


def _plan_files(task: Task, found: FoundLayout, shard_records: int) -> TaskPlan:
    splits: list[SplitPlan] = []
    sources: list[SourceEntry] = []
    notes = [found.layout.note] if found.layout.note else []
    for split, spec in found.layout.files.items():
        for path in found.paths[split]:
            _check_columns(task, path, spec)
    for split, spec in found.layout.files.items():
        paths = found.paths[split]
        states = tuple(map(_state, (*paths, *map(Path, spec.beside))))
        rows = []
        for path in paths:
            rows.append(sum(block.count for block in read_blocks(path, spec, shard_records)))
        open_blocks = functools.partial(_blocks_of_files, paths, spec, shard_records, states)
        made: tuple[SplitPlan, ...] = (SplitPlan(task, split, sum(rows), open_blocks),)
        carve = found.layout.carve
        if carve and carve.source == split:
            try:
                made = carve_split(made[0], carve)
            except UsageError as error:  # nobody asked for it: the file is not what it should be
                raise DataError(str(error)) from error
            name = f"{found.folder}/{paths[0].name}"
            notes.append(describe_carve(carve, *made, name))
        splits += made
        names = tuple(plan.split for plan in made)
        sources += [
            SourceEntry(f"{found.folder}/{path.name}", _file_sha256(path), count, names)
            for path, count in zip(paths, rows, strict=True)
        ]
        sources += [
            SourceEntry(
                f"{found.folder}/{Path(path).name}", _file_sha256(Path(path)), rows[0], names
            )
            for path in spec.beside
        ]
    return TaskPlan(task, order_splits(splits), tuple(sources), tuple(notes))


def _state(path: Path) -> tuple[int, int]:
    """Tell whether a file is as it was, without reading it: its size and when it was written."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _blocks_of_files(
    paths: Sequence[Path],
    spec: FileSpec,
    rows_per_block: int,
    states: Sequence[tuple[int, int]],
) -> Iterator[Block]:
    """Stream several files as if they were one; only a block's row number is its file's."""
    rows_before = 0
    for path in paths:
        rows = 0
        for block in read_blocks(path, spec, rows_per_block):
            rows += block.count
            yield dataclasses.replace(block, first_index=block.first_index + rows_before)
        rows_before += rows
    for path, state in zip((*paths, *map(Path, spec.beside)), states, strict=True):
        if _state(path) != state:
            raise DataError(f"{path} has changed while it was read; build again")


def _plan_generated(task: Task, source: GeneratedSource, shard_records: int) -> TaskPlan:
    rows = source.generate()
    splits = []
    sources = []
    for split, given in rows.items():
        try:
            check_split(split)
        except UsageError as error:  # of the task's code, not of what was asked for
            raise DataError(str(error)) from error
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
    task: Task, source: TfdsSource | HubSource, data_dir: StoragePath | None, shard_records: int
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
    """Count rows and fingerprint their content, in one pass."""
    digest = hashlib.sha256()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last count is the number
        digest.update(_row_content(row) + b"\n")
    return count, digest.hexdigest()


def _check_columns(task: Task, path: Path, spec: FileSpec) -> None:
    present = columns_of(path, spec)
    if spec.format == "lines" and not present:  # its first hundred lines are blank
        return
    hint = describe_separator(present) if spec.has_columns else ""
    _check_fields(task, str(path), present, hint)


def _check_fields(task: Task, where: str, present: Sequence[str], hint: str = "") -> None:
    for name in task.columns or (() if task.all_row_functions else task.fields):
        if name not in present:
            raise DataError(
                f"{where}: task {task.name!r} needs the column {name!r}; columns present: "
                f"{', '.join(present) or 'none'}{hint or f'; {nearest(name, present)}'}"
            )


def _file_sha256(path: Path) -> str:
    """Fingerprint a file, or all files of a folder with their names."""
    digest = hashlib.sha256()
    for part in text_files(path) if path.is_dir() else (path,):
        if part != path:
            digest.update(f"{part.name}\n".encode())
        with part.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _rows_sha256(rows: Sequence[Row]) -> str:
    try:
        content = json.dumps(list(rows), sort_keys=True).encode()
    except Exception:  # of one row that JSON cannot hold
        content = b"\n".join(map(_row_content, rows))
    return hashlib.sha256(content).hexdigest()


def _row_content(row: Row) -> bytes:
    """Write a row down, for its fingerprint, whatever is in it."""
    try:
        return json.dumps(row, sort_keys=True, default=str).encode()
    except Exception:  # keys that cannot be compared, values nested too deeply
        return shown_row(row)
