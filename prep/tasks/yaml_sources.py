"""Where a task's rows are, as a task file says it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from prep.errors import UsageError, nearest
from prep.sources.declarations import (
    FILE_FORMATS,
    SUFFIX_FORMATS,
    Carve,
    FileFormat,
    FileSource,
    FileSpec,
    HubSource,
    Layout,
    TfdsSource,
    check_split,
    suffix_of,
)
from prep.tasks.yaml_values import Value, YamlReader, line_about

_FILE_KEYS = tuple(one.name for one in dataclasses.fields(FileSpec) if one.name != "beside")


def read_tfds(reader: YamlReader, value: Value) -> TfdsSource:
    """Read what a task is called in TensorFlow Datasets."""
    return TfdsSource(**_named(reader, value, "folder"))


def read_hub(reader: YamlReader, value: Value) -> HubSource:
    """Read what a task is called in Hugging Face `datasets`."""
    return HubSource(**_named(reader, value, "revision"))


def _named(reader: YamlReader, value: Value, extra: str) -> dict[str, Any]:
    keys = reader.mapping(value, ("name", "config", "splits", "rename", "labels", extra))
    if "name" not in keys:
        reader.fail(value.line, "expected the 'name' of the dataset")
    if "splits" in keys:
        _check_splits(reader, reader.mapping(keys["splits"]))
    is_mapping = ("splits", "rename", "labels")
    return {
        key: reader.text_of_text(inner) if key in is_mapping else reader.text(inner)
        for key, inner in keys.items()
    }


def read_files(reader: YamlReader, name: str, keys: Mapping[str, Value]) -> FileSource:
    """Read which files a task has.

    Args:
        reader: Of the task file.
        name: The task's name, which is its folder's unless it says otherwise.
        keys: Of the task.

    Returns:
        Its files.

    Raises:
        UsageError: If something is not as expected.
    """
    splits = reader.mapping(keys["files"])
    _check_splits(reader, splits)
    files = {split: _file(reader, value) for split, value in splits.items()}
    if not files:
        reader.fail(keys["files"].line, "expected a file per split")
    carve = _carve(reader, keys["carve"], files) if "carve" in keys else None
    note = reader.text(keys["note"]) if "note" in keys else ""
    folder = reader.text(keys["folder"]) if "folder" in keys else name
    return FileSource((folder,), (Layout(files, carve, note),))


def _check_splits(reader: YamlReader, splits: Mapping[str, Value]) -> None:
    for split, value in splits.items():
        try:
            check_split(split)
        except UsageError as error:
            reader.fail(value.line, str(error))


def _parallel(reader: YamlReader, value: Value) -> FileSpec:
    """Read files side by side: a field for the lines of each."""
    keys = reader.mapping(value, ("parallel", "encoding"))
    names = reader.text_of_text(keys["parallel"])
    if len(names) < 2:
        reader.fail(value.line, "parallel: expected a field and its file, for two files or more")
    first, *beside = names.values()
    encoding = reader.text(keys["encoding"]) if "encoding" in keys else "utf-8"
    try:
        return FileSpec(first, "parallel", tuple(names), encoding, beside=tuple(beside))
    except UsageError as error:
        reader.fail(line_about(str(error), keys, value.line), str(error))


def _file(reader: YamlReader, value: Value) -> FileSpec:
    if isinstance(value.content, dict) and "parallel" in value.content:
        return _parallel(reader, value)
    keys = (
        {"name": value}
        if isinstance(value.content, str)
        else reader.mapping(value, ("parallel", *_FILE_KEYS))
    )
    if "name" not in keys:
        reader.fail(value.line, "expected the 'name' of a file")
    name = reader.text(keys["name"])
    given: dict[str, Any] = {
        key: read(keys[key])
        for key, read in (
            ("columns", reader.texts),
            ("encoding", reader.text),
            ("delimiter", reader.text),
            ("escape", reader.text),
            ("sheet", reader.text),
            ("rename", reader.text_of_text),
            ("records", reader.texts),
            ("parts", reader.texts),
        )
        if key in keys
    }
    file_format = _format(reader, name, keys.get("format"), value.line)
    try:
        return FileSpec(name=name, format=file_format, **given)
    except UsageError as error:
        reader.fail(line_about(str(error), keys, value.line), str(error))


def _format(reader: YamlReader, name: str, given: Value | None, line: int) -> FileFormat:
    chosen = reader.text(given) if given else SUFFIX_FORMATS.get(suffix_of(name), "")
    for known in get_args(FileFormat):
        if chosen == known:
            return known
    if given:
        reader.fail(given.line, f"there is no format {chosen!r}; {nearest(chosen, FILE_FORMATS)}")
    reader.fail(line, f"{name} does not tell its format: add 'format'")


def _carve(reader: YamlReader, value: Value, files: Mapping[str, FileSpec]) -> Carve:
    keys = reader.mapping(value, ("split", "from", "share", "rows", "seed"))
    if "split" not in keys or "from" not in keys or ("share" in keys) == ("rows" in keys):
        reader.fail(value.line, "expected 'split', 'from', and either 'share' or 'rows'")
    source = reader.text(keys["from"])
    if source not in files:
        reader.fail(keys["from"].line, f"no file for {source!r}; {nearest(source, files)}")
    split = reader.text(keys["split"])
    if split in files:
        reader.fail(keys["split"].line, f"the split {split!r} has a file of its own")
    share = reader.number(keys["share"], float) if "share" in keys else 0.0
    rows = reader.number(keys["rows"]) if "rows" in keys else 0
    try:
        return Carve(
            split, source, share, reader.number(keys["seed"]) if "seed" in keys else 0, rows
        )
    except UsageError as error:
        reader.fail(line_about(str(error), keys, value.line), str(error))
