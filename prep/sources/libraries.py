"""Rows from libraries that know datasets by name: TensorFlow Datasets and Hugging Face `datasets`.

Both are imported only where a task is really read from them. Nothing of a dataset's own code is
ever run: a folder of TFDS is read without its builder, and remote code of the Hub is refused.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prep.errors import DataError, UsageError, nearest
from prep.sources.declarations import HubSource, TfdsSource
from prep.sources.formats import rename_fields
from prep.sources.row import Row
from prep.storage import StoragePath, place_of

OpenRows = Callable[[], Iterator[Row]]


def open_splits(
    task: str, source: TfdsSource | HubSource, data_dir: StoragePath | None
) -> dict[str, OpenRows]:
    """Find a dataset by its name.

    Args:
        task: Name of the task, for error messages.
        source: What it is called there.
        data_dir: Folder of TFDS datasets, or the cache of Hugging Face; None for their own.

    Returns:
        By our name of each split, a function that streams its rows from the start.

    Raises:
        UsageError: If the library is not installed or has no such dataset or split.
        DataError: If the dataset cannot be read.
    """
    with as_one_line(f"task {task!r}: {source.full_name}"):
        if isinstance(source, TfdsSource):
            present, rows_of = _open_tfds(source, data_dir)
        else:
            present, rows_of = _open_hub(source, data_dir)
    for theirs in source.splits.values():
        if theirs not in present:
            raise UsageError(
                f"task {task!r}: {source.full_name} has no split {theirs!r};"
                f" {nearest(theirs, present)}"
            )
    return {
        ours: functools.partial(_rows, rows_of, theirs, source.rename)
        for ours, theirs in source.splits.items()
    }


def _rows(
    rows_of: Callable[[str], Iterator[Row]], split: str, rename: Mapping[str, str]
) -> Iterator[Row]:
    return rename_fields(rows_of(split), rename)


def _open_tfds(
    source: TfdsSource, data_dir: StoragePath | None
) -> tuple[tuple[str, ...], Callable[[str], Iterator[Row]]]:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UsageError("`source=tfds` needs `pip install tensorflow-datasets`") from error
    if source.folder:
        builder = tfds.builder_from_directory(str(place_of(data_dir or Path()) / source.folder))
    else:
        builder = tfds.builder(source.full_name, data_dir=str(data_dir) if data_dir else None)
        if not builder.is_prepared():
            builder.download_and_prepare()

    def rows_of(split: str) -> Iterator[Row]:
        options = tfds.ReadConfig(interleave_cycle_length=1)  # one order, whatever the machine
        examples = builder.as_dataset(split=split, read_config=options, shuffle_files=False)
        return (_plain(example) for example in tfds.as_numpy(examples))

    return tuple(builder.info.splits), rows_of


def _open_hub(
    source: HubSource, data_dir: StoragePath | None
) -> tuple[tuple[str, ...], Callable[[str], Iterator[Row]]]:
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            "`source=hf` needs Hugging Face datasets, which is optional: `pip install datasets`"
        ) from error
    loaded = datasets.load_dataset(
        source.name,
        source.config or None,
        revision=source.revision or None,
        cache_dir=str(data_dir) if data_dir else None,
        trust_remote_code=False,
    )

    def rows_of(split: str) -> Iterator[Row]:
        return iter(loaded[split])

    return tuple(loaded), rows_of


def _plain(value: Any) -> Any:
    """Turn what TFDS yields, numpy values and bytes, into what JSON would have given."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    for convert in ("tolist", "to_list"):  # of arrays, and of ragged tensors
        if hasattr(value, convert):
            return _plain(getattr(value, convert)())
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@contextlib.contextmanager
def as_one_line(where: str) -> Iterator[None]:
    """Turn whatever such a library raises into one line that tells which dataset it was about.

    Args:
        where: The dataset.

    Yields:
        Nothing.

    Raises:
        DataError: In place of any other error inside the block.
    """
    try:
        yield
    except (UsageError, DataError, KeyboardInterrupt):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise DataError(f"{where} could not be read: {type(error).__name__}: {lines[0]}") from error
