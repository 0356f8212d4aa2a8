"""Reading a split back: shards of variable-length records → one table of flat columns in memory.

The table costs two bytes per token (four for vocabularies beyond 65,536), so that even millions of
examples fit, and any order of rows can be taken from it without touching the disk again.
"""

import hashlib
import itertools
from dataclasses import dataclass

import google_crc32c
import numpy as np

from prep.dataset.entries import ShardEntry, SplitEntry
from prep.dataset.manifest import Manifest
from prep.errors import DataError
from prep.records.framing import split_records
from prep.records.parsing import NO_GROUP, parse_records
from prep.storage import Place, StoragePath, place_of
from prep.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class TokenTable:
    """The examples of one split, in shard order.

    Attributes:
        inputs: Flat token ids of all examples, uint16 or uint32.
        input_offsets: int64 [examples + 1]; row i is inputs[offsets[i]:offsets[i + 1]].
        targets: Flat token ids of all examples, uint16 or uint32.
        target_offsets: int64 [examples + 1].
        labels: int32 [examples], index of the label word, −1 where there is none.
        examples: int64 [examples], row number in the split as the source had it.
        references: Every right answer's text of each example, empty where there is none to
            compare with; None for a split without any.
        groups: int64 [examples], equal for examples that are scored together; None without any.
        documents: int64 [examples], equal for examples about one document; None without any.
        pack_offsets: int64 [rows + 1] where records are packed; row i of a batch holds the
            examples from pack_offsets[i] to pack_offsets[i + 1]. None: every example is a row.
    """

    inputs: np.ndarray
    input_offsets: np.ndarray
    targets: np.ndarray
    target_offsets: np.ndarray
    labels: np.ndarray
    examples: np.ndarray
    references: tuple[tuple[str, ...], ...] | None = None
    groups: np.ndarray | None = None
    documents: np.ndarray | None = None
    pack_offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> "TokenTable":
        """Return the first examples, each a row of its own, sharing memory with this table.

        Args:
            count: How many at most.

        Returns:
            A table of so many examples, or of all if there are fewer.
        """
        return self.part(0, count)

    def part(self, first: int, end: int) -> "TokenTable":
        """Return some examples, each a row of its own, sharing memory with this table.

        Args:
            first: The first of them.
            end: The first after them; at most, for there may be fewer.

        Returns:
            A table of these examples.
        """
        some, offsets = slice(first, end), slice(first, end + 1)
        return TokenTable(
            self.inputs,
            self.input_offsets[offsets],
            self.targets,
            self.target_offsets[offsets],
            self.labels[some],
            self.examples[some],
            self.references and self.references[some],
            None if self.groups is None else self.groups[some],
            None if self.documents is None else self.documents[some],
        )

    @property
    def rows(self) -> int:
        """Rows that training batches take from it: as many as records."""
        return len(self) if self.pack_offsets is None else len(self.pack_offsets) - 1

    @property
    def is_packed(self) -> bool:
        """Whether a row may hold several examples."""
        return self.pack_offsets is not None

    @property
    def tokens(self) -> int:
        """Tokens of all inputs and targets."""
        return len(self.inputs) + len(self.targets)

    @property
    def input_tokens(self) -> int:
        """Tokens of all inputs."""
        return len(self.inputs)

    @property
    def longest(self) -> tuple[int, int]:
        """Tokens of the longest input and of the longest target."""
        return (
            int(np.diff(self.input_offsets).max(initial=0)),
            int(np.diff(self.target_offsets).max(initial=0)),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays; references are texts and not counted."""
        columns = (
            *(self.inputs, self.input_offsets, self.targets, self.target_offsets, self.labels),
            *(self.examples, self.groups, self.documents, self.pack_offsets),
        )
        return sum(column.nbytes for column in columns if column is not None)

    def count_longer(self, input_length: int, target_length: int) -> tuple[int, int]:
        """Count the examples that are longer than a batch has room for.

        Args:
            input_length: In tokens.
            target_length: In tokens.

        Returns:
            How many inputs, and how many targets.
        """
        return (
            int((np.diff(self.input_offsets) > input_length).sum()),
            int((np.diff(self.target_offsets) > target_length).sum()),
        )

    def text_lengths(self, choices: int) -> np.ndarray:
        """Count the tokens of each text that the encoder reads.

        Args:
            choices: Texts in the inputs of each example; 0 where they are one text.

        Returns:
            int64 [examples × texts], EOS included.

        Raises:
            DataError: If the inputs are not those of so many choices.
        """
        if not choices:
            return np.diff(self.input_offsets)
        start, end = self.input_offsets[[0, -1]]
        ends = start + np.flatnonzero(self.inputs[start:end] == Vocabulary.eos_id) + 1
        is_whole = len(ends) == choices * len(self)
        if not is_whole or (ends[choices - 1 :: choices] != self.input_offsets[1:]).any():
            raise DataError(f"inputs of some record are not the texts of {choices} choices")
        return np.diff(ends, prepend=start)

    def input_ids(self, row: int) -> np.ndarray:
        """Return the input token ids of one example, EOS included.

        Args:
            row: Position in the table.

        Returns:
            uint16 or uint32 [length].
        """
        return self.inputs[self.input_offsets[row] : self.input_offsets[row + 1]]

    def target_ids(self, row: int) -> np.ndarray:
        """Return the target token ids of one example, EOS included.

        Args:
            row: Position in the table.

        Returns:
            uint16 or uint32 [length].
        """
        return self.targets[self.target_offsets[row] : self.target_offsets[row + 1]]


def read_split(
    directory: StoragePath,
    manifest: Manifest,
    task: str,
    split: str,
    *,
    most: int | None = None,
    has_answers: bool = True,
    shards: range | None = None,
) -> TokenTable:
    """Read the examples of a split into memory.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.
        task: Name of the task.
        split: Name of the split.
        most: Read the first examples alone, so many at most, each a row of its own; None for all.
        has_answers: Whether references, groups and documents are read too, which scoring wants
            and training does not.
        shards: The numbers of those to read, one after the other; None for all.

    Returns:
        The examples, in shard order.

    Raises:
        UsageError: If there is no such task or split.
        DataError: If a shard is missing, truncated, corrupt, or holds another number of records.
    """
    place = place_of(directory)
    entry = manifest.task(task).split(split)
    dtype = token_dtype(manifest)
    chosen = entry.shards if shards is None else entry.shards[shards.start : shards.stop]
    tokens = {
        "inputs": _Tokens(sum(shard.input_tokens for shard in chosen), dtype),
        "targets": _Tokens(sum(shard.target_tokens for shard in chosen), dtype),
    }
    batches: list[dict[str, np.ndarray]] = []
    found = 0
    for shard in chosen:
        if most is not None and found >= most:
            break
        for columns in _read_columns(place, manifest, entry, shard, has_answers):
            found += len(columns["labels"])
            for name, column in tokens.items():
                column.append(columns.pop(name))
            batches.append(columns)
    batches.append({name: column.held for name, column in tokens.items()})
    table = _join_columns(batches, dtype, entry.packing is not None)
    return table if most is None else table.head(most)


def read_shard(
    directory: StoragePath, manifest: Manifest, task: str, split: str, number: int
) -> TokenTable:
    """Read one shard of a split, without references, groups and documents.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.
        task: Name of the task.
        split: Name of the split.
        number: Of the shard, from 0.

    Returns:
        Its examples.

    Raises:
        UsageError: If there is no such task or split.
        DataError: If it is missing, truncated, corrupt, or holds another number of records.
    """
    entry = manifest.task(task).split(split)
    columns = _read_columns(place_of(directory), manifest, entry, entry.shards[number], False)
    return _join_columns(columns, token_dtype(manifest), entry.packing is not None)


def token_dtype(manifest: Manifest) -> type:
    """Choose what token ids are held as.

    Args:
        manifest: Of the dataset.

    Returns:
        uint16, or uint32 where its vocabulary is too large for that.
    """
    return np.uint16 if manifest.vocabulary.size <= 1 << 16 else np.uint32


def _read_columns(
    place: Place, manifest: Manifest, entry: SplitEntry, shard: ShardEntry, has_answers: bool
) -> list[dict[str, np.ndarray]]:
    path = str(place / shard.file)
    records = split_records(_read_shard(place / shard.file, shard), path)
    if len(records) != shard.records:
        raise DataError(
            f"shard {path} holds {len(records):,} records, the manifest says"
            f" {shard.records:,}; build the dataset again"
        )
    is_packed = entry.packing is not None
    return list(parse_records(records, path, token_dtype(manifest), is_packed, has_answers))


class _Tokens:
    """Tokens of one shard after the other, in one array that is made once: no second copy.

    Args:
        expected: How many there will be.
        dtype: Of each.
    """

    def __init__(self, expected: int, dtype: type):
        self._all: np.ndarray = np.empty(expected, dtype)  # takes memory as it is filled
        self._count = 0

    def append(self, tokens: np.ndarray) -> None:
        end = self._count + len(tokens)
        if end > len(self._all):
            self._all = np.concatenate([self.held, np.empty(end - self._count, self._all.dtype)])
        self._all[self._count : end] = tokens
        self._count = end

    @property
    def held(self) -> np.ndarray:
        return self._all[: self._count]


def read_vocabulary(directory: StoragePath, manifest: Manifest) -> Vocabulary:
    """Load the vocabulary a dataset was built with, from its own folder.

    Args:
        directory: The dataset folder, local or gs://.
        manifest: Its manifest.

    Returns:
        The vocabulary.

    Raises:
        DataError: If the file is missing or is not the one the records were written with.
    """
    file = place_of(directory) / manifest.vocabulary.file
    if not file.exists():
        raise DataError(f"vocabulary {file} is missing; build the dataset again")
    for _ in range(file.readings):
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found == manifest.vocabulary.sha256:
            entry = manifest.vocabulary
            vocabulary = Vocabulary(file, entry.sentinels, entry.blank_after_sentinels)
            if vocabulary.size != entry.size:
                raise DataError(
                    f"{file} has {vocabulary.size:,} ids, and its records were written with"
                    f" {entry.size:,}, by an earlier version that added sentinels to its own; build"
                    " the dataset again"
                )
            return vocabulary
    raise DataError(
        f"vocabulary {file} is not the one the dataset was built with: sha256 {found[:12]}…,"
        f" the manifest says {manifest.vocabulary.sha256[:12]}…"
    )


def _read_shard(file: Place, shard: ShardEntry) -> bytes:
    """Read a shard, comparing its size and checksum with the manifest.

    What arrives damaged is read again before the shard itself is called corrupt.
    """
    if not file.exists():
        raise DataError(f"shard {file} is missing; build the dataset again")
    for _ in range(file.readings):
        content = file.read_bytes()
        problem = _shard_problem(content, str(file), shard)
        if problem is None:
            return content
    raise DataError(f"{problem}; build the dataset again")


def _shard_problem(content: bytes, path: str, shard: ShardEntry) -> str | None:
    if len(content) != shard.bytes:
        return (
            f"shard {path} is {'truncated' if len(content) < shard.bytes else 'corrupt'}: "
            f"{len(content):,} bytes instead of {shard.bytes:,}"
        )
    found = f"{google_crc32c.value(content):08x}"
    if found != shard.crc32c:
        return f"shard {path} is corrupt: crc32c {found}, the manifest says {shard.crc32c}"
    return None


def _join_columns(batches: list[dict[str, np.ndarray]], dtype: type, is_packed: bool) -> TokenTable:
    def column(name: str, column_dtype: type) -> np.ndarray:
        parts = [batch[name] for batch in batches if name in batch]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, column_dtype)

    def offsets(name: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(column(name, np.int64))]).astype(np.int64)

    references = _split_texts(column("references", np.object_), offsets("reference_counts"))
    groups, documents = column("groups", np.int64), column("documents", np.int64)
    return TokenTable(
        inputs=column("inputs", dtype),
        input_offsets=offsets("input_lengths"),
        targets=column("targets", dtype),
        target_offsets=offsets("target_lengths"),
        labels=column("labels", np.int32),
        examples=column("examples", np.int64),
        references=references,
        groups=groups if np.any(groups != NO_GROUP) else None,
        documents=documents if np.any(documents != NO_GROUP) else None,
        pack_offsets=offsets("record_examples") if is_packed else None,
    )


def _split_texts(texts: np.ndarray, offsets: np.ndarray) -> tuple[tuple[str, ...], ...] | None:
    """Take the flat texts apart again by example; None if there are none."""
    if not len(texts):
        return None
    decoded = [text.decode("utf-8") for text in texts]
    bounds = offsets.tolist()
    return tuple(tuple(decoded[start:end]) for start, end in itertools.pairwise(bounds))
