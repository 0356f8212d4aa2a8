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

from prep.errors import DataError, UsageError, nearest
from prep.storage import Place, StoragePath, place_of
from prep.storage.durable_files import write_atomically

SCHEMA_VERSION = 1
MANIFEST_FILE = "dataset.json"
VOCABULARY_FILE = "spiece.model"
REJECTED_FILE = "rejected.jsonl"  # of a task, and in a build of each of its shards


@dataclass(frozen=True)
class VocabularyEntry:
    """The vocabulary the records were written with.

    Attributes:
        file: Name inside the dataset folder.
        sha256: Of the model file.
        size: Token ids, sentinels included.
        sentinels: How many of them are `<extra_id_n>`.
        blank_after_sentinels: Whether what follows a sentinel always begins with a "▁".
    """

    file: str
    sha256: str
    size: int
    sentinels: int
    blank_after_sentinels: bool = True


@dataclass(frozen=True)
class PackingEntry:
    """How records that hold several examples are filled: of one split, or of all that are packed.

    Attributes:
        input_length: Input positions of a row; a record becomes one row of a batch.
        target_length: Target positions that the fullest row needs, rounded up, or what was asked.
        asked_target_length: What was asked for; 0: as few as cost no row.
        rows: Records.
        input_share: Of the input positions, how many hold a token, from 0 to 1.
        target_share: Of the target positions.
        unpacked_input_share: The same with one example per row, at the shortest length that cuts
            none of them.
        unpacked_target_share: The same of target positions.
    """

    input_length: int
    target_length: int
    asked_target_length: int
    rows: int = 0
    input_share: float = 0.0
    target_share: float = 0.0
    unpacked_input_share: float = 0.0
    unpacked_target_share: float = 0.0


@dataclass(frozen=True)
class ShardEntry:
    """One TFRecord file.

    Attributes:
        file: Name relative to the dataset folder, with forward slashes.
        records: Records in it; where they are packed, rows of several examples.
        bytes: Size of the file.
        crc32c: Checksum of the whole file, eight hexadecimal digits.
        input_tokens: Sum over records, EOS included.
        target_tokens: Sum over records, EOS included.
    """

    file: str
    records: int
    bytes: int
    crc32c: str
    input_tokens: int
    target_tokens: int


@dataclass(frozen=True)
class SplitEntry:
    """One split of a task.

    Attributes:
        examples: Over all shards, one per record unless they are packed.
        shards: In reading order.
        truncated: Examples whose inputs or targets were cut to the maximum length.
        truncated_targets: Those among them whose targets were cut.
        longest_input: Tokens, EOS included, after truncation.
        longest_target: Tokens, EOS included, after truncation.
        label_counts: Examples per label word, in the order of the task's label words.
        rejected: Source rows that could not be used.
        rejected_reasons: How many rows were rejected for each reason.
        truncated_share: Of the examples, from 0 to 1.
        dropped: Source rows that were left out as the task asks.
        dropped_by: How many of them by which key of a task file, or which row function.
        expanded: Examples beyond the first of their row.
        duplicates: Of the examples, how many have the inputs of an example in another split,
            by that split.
        packing: How its records are filled; None: with one example each.
        unknown_input_tokens: Input tokens for which the vocabulary has only `<unk>`.
        unknown_target_tokens: The same of targets.
        lossy_inputs: Examples whose inputs do not decode back to what they were.
        lossy_targets: The same of targets: no model can write these answers.
    """

    examples: int
    shards: tuple[ShardEntry, ...]
    truncated: int
    truncated_targets: int
    longest_input: int
    longest_target: int
    label_counts: tuple[int, ...]
    rejected: int
    rejected_reasons: Mapping[str, int]
    truncated_share: float = 0.0
    dropped: int = 0
    dropped_by: Mapping[str, int] = field(default_factory=dict)
    expanded: int = 0
    duplicates: Mapping[str, int] = field(default_factory=dict)
    packing: PackingEntry | None = None
    unknown_input_tokens: int = 0
    unknown_target_tokens: int = 0
    lossy_inputs: int = 0
    lossy_targets: int = 0

    @property
    def input_tokens(self) -> int:
        """Input tokens over all shards."""
        return sum(shard.input_tokens for shard in self.shards)

    @property
    def target_tokens(self) -> int:
        """Target tokens over all shards."""
        return sum(shard.target_tokens for shard in self.shards)


@dataclass(frozen=True)
class SourceEntry:
    """Where a task's rows came from.

    Attributes:
        file: Name relative to the data folder, or "generated" for embedded tasks.
        sha256: Of the file as stored, or of the generated rows.
        rows: Rows in it, the header not counted.
        splits: The splits its rows went to.
    """

    file: str
    sha256: str
    rows: int
    splits: tuple[str, ...]


@dataclass(frozen=True)
class TaskEntry:
    """One task of the dataset.

    Attributes:
        name: The task's name.
        kind: One of `TASK_KINDS`.
        label_words: The answers there are, empty where answers are free text.
        label_token_ids: Token ids of each label word, without EOS.
        metrics: Names of the metrics it is scored by, the first being the main one.
        decoding_length: Tokens the decoder must be able to write for it, EOS included.
        mixture_size: Examples that count for the task's share of a mixture.
        splits: By name.
        sources: The files its rows came from.
        notes: What a reader should know about how the splits were made.
        definition: Fingerprint of how its rows are worded.
        truncation: What is kept of inputs that are too long: "head", "tail" or "head_tail".
        language: ISO 639-1 code of the right answers, where the metrics go by it; empty: unnamed.
        no_answer: The right answer of examples that have none; empty where all have one.
        choices: Texts in the inputs of each example, an EOS behind each, which a head on the
            encoder scores one by one; 0 where the inputs are one text.
    """

    name: str
    kind: str
    label_words: tuple[str, ...]
    label_token_ids: tuple[tuple[int, ...], ...]
    metrics: tuple[str, ...]
    decoding_length: int
    mixture_size: int
    splits: Mapping[str, SplitEntry]
    sources: tuple[SourceEntry, ...] = ()
    notes: tuple[str, ...] = ()
    definition: str = ""
    truncation: str = "head"
    language: str = ""
    no_answer: str = ""
    choices: int = 0

    def split(self, name: str) -> SplitEntry:
        """Look a split up.

        Args:
            name: Such as "train" or "validation".

        Returns:
            The split.

        Raises:
            UsageError: If the task has no such split.
        """
        if name not in self.splits:
            raise UsageError(
                f"task {self.name!r} has no split {name!r}; {nearest(name, self.splits)}"
            )
        return self.splits[name]


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
