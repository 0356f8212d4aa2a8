"""The table of contents of a dataset folder: `dataset.json`, written last: present means whole.

Everything a reader must know before touching a shard: the vocabulary, the tasks and their kinds,
their label words as token ids, their splits, and for each shard how many records it has and its
checksum. Equal content gives equal bytes: no timestamps, tasks in the order they were asked for.

`prep.records` says what is in a record of a shard.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prep.dataset.entries import (
    PackingEntry,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
)
from prep.errors import DataError, UsageError, nearest
from prep.storage import Place, StoragePath, place_of
from prep.storage.durable_files import write_atomically

SCHEMA_VERSION = 1
MANIFEST_FILE = "dataset.json"
VOCABULARY_FILE = "spiece.model"
REJECTED_FILE = "rejected.jsonl"  # of a task, and in a build of each of its shards


@dataclass(frozen=True)
class Manifest:
    """What is in a dataset folder.

    Attributes:
        schema_version: Version of this layout.
        vocabulary: The vocabulary the records were written with.
        max_input_length: Tokens, EOS included; longer inputs were cut.
        max_target_length: Tokens, EOS included; longer targets were cut.
        packing: How the records of all packed splits are filled; None if there are none.
        shard_records: Source rows per shard.
        tasks: By name.
        library_versions: Of the libraries that decide the bytes.
        format: The wording that the tasks have: "t5", "hyperformer" or "encoder".
        failed: Tasks that were asked for and could not be built, with the reason.
    """

    schema_version: int
    vocabulary: VocabularyEntry
    max_input_length: int
    max_target_length: int
    packing: PackingEntry | None
    shard_records: int
    tasks: Mapping[str, TaskEntry]
    library_versions: Mapping[str, str] = field(default_factory=dict)
    format: str = "t5"
    failed: Mapping[str, str] = field(default_factory=dict)

    def task(self, name: str) -> TaskEntry:
        """Look a task up.

        Args:
            name: The task's name.

        Returns:
            The task.

        Raises:
            UsageError: If the dataset has no such task, perhaps because building it failed.
        """
        if name in self.failed:
            raise UsageError(
                f"the dataset lacks the task {name!r}, whose build failed: {self.failed[name]}"
            )
        if name not in self.tasks:
            raise UsageError(f"the dataset has no task {name!r}; {nearest(name, self.tasks)}")
        return self.tasks[name]


def load_manifest(directory: StoragePath) -> Manifest:
    """Read the table of contents of a dataset folder.

    Args:
        directory: The dataset folder, local or gs://.

    Returns:
        The manifest.

    Raises:
        DataError: If the folder is missing, half-written, or of another schema version.
    """
    place = place_of(directory)
    file = place / MANIFEST_FILE
    if not file.exists():
        raise _no_manifest(place)
    return parse_manifest(file.read_bytes(), str(file))


def _no_manifest(place: Place) -> DataError:
    if not place.is_remote and not place.exists():
        return DataError(f"no dataset folder at {place}; `python -m prep build` makes one")
    what = "staging" if place.is_remote else "build"
    command = f"stage DIR {place}" if place.is_remote else f"build --out {place}"
    return DataError(
        f"{place} has no {MANIFEST_FILE}: not a dataset folder, or one whose {what} did "
        f"not finish; run `python -m prep {command}` again"
    )


def parse_manifest(content: bytes, path: str) -> Manifest:
    """Turn the bytes of a `dataset.json` into a manifest.

    Args:
        content: The file's bytes.
        path: Where they came from, for error messages.

    Returns:
        The manifest.

    Raises:
        DataError: If it is no manifest or one of another schema version.
    """
    try:
        document = json.loads(content)
        version = document["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a dataset manifest: {error}") from error
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this prep reads {SCHEMA_VERSION}; build it again"
        )
    try:
        return _manifest_from(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a whole manifest: {error!r}") from error


def serialize_manifest(manifest: Manifest) -> bytes:
    """Turn a manifest into the canonical bytes of `dataset.json`.

    Args:
        manifest: The manifest.

    Returns:
        UTF-8 JSON with a final newline.
    """
    text = json.dumps(dataclasses.asdict(manifest), indent=1, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")  # a lone surrogate as JSON spells it


def write_manifest(directory: str | Path, manifest: Manifest) -> Path:
    """Write `dataset.json` atomically: it is either there and whole, or not there.

    Args:
        directory: A local dataset folder whose other files are already on the disk.
        manifest: The manifest.

    Returns:
        Path of the file.

    Raises:
        OSError: If the disk refuses.
    """
    path = Path(directory) / MANIFEST_FILE
    write_atomically(path, serialize_manifest(manifest))
    return path


Entry = TypeVar("Entry")


def _manifest_from(document: Mapping[str, Any]) -> Manifest:
    return _build(
        Manifest,
        document,
        vocabulary=_build(VocabularyEntry, document["vocabulary"]),
        packing=_packing_from(document),
        tasks={name: _task_from(task) for name, task in document["tasks"].items()},
    )


def _task_from(document: Mapping[str, Any]) -> TaskEntry:
    return _build(
        TaskEntry,
        document,
        label_token_ids=tuple(map(tuple, document["label_token_ids"])),
        splits={name: _split_from(split) for name, split in document["splits"].items()},
        sources=tuple(_build(SourceEntry, source) for source in document["sources"]),
    )


def _split_from(document: Mapping[str, Any]) -> SplitEntry:
    shards = tuple(_build(ShardEntry, shard) for shard in document["shards"])
    return _build(SplitEntry, document, shards=shards, packing=_packing_from(document))


def _packing_from(document: Mapping[str, Any]) -> PackingEntry | None:
    packing = document.get("packing")  # manifests of before there was packing say false, or nothing
    return _build(PackingEntry, packing) if packing else None


def _build(entry: type[Entry], document: Mapping[str, Any], **parsed: Any) -> Entry:
    """Build a dataclass from a JSON object, lists as tuples."""
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    return entry(**(values | parsed))
