"""The work of one worker: a block of rows → one shard, with what is to be known about it.

A worker shares nothing with the others: it decodes, words, tokenizes, serializes and writes its
own file, and returns figures only, so work scales with processes and the bytes do not depend on
how many there are.
"""

import contextlib
import dataclasses
import gc
import json
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import google_crc32c
import numpy as np

from prep.durable_files import write_file
from prep.errors import DataError
from prep.fingerprints import fingerprint_group, fingerprint_texts
from prep.objectives import make_pairs
from prep.packed_records import PACKED_SPLITS, Records, pack_records
from prep.records import RecordEncoder
from prep.rows import Block, parse_block
from prep.sources import Row
from prep.task import NO_LABEL, TRAIN_SPLIT, Example, RowError, Task
from prep.truncation import MARKER_SENTINEL, truncate
from prep.vocabulary import Vocabulary

_COLLECT_AFTER = 100_000  # new containers, where Python's own number is 700
REJECTED_FILE = "rejected.jsonl"
_LABEL_OF = operator.attrgetter("label")
_INPUTS_OF = operator.attrgetter("inputs")


@dataclass(frozen=True)
class EncodingSettings:
    """What every shard of a build has in common.

    Attributes:
        vocabulary: Path of the SentencePiece model.
        max_input_length: Tokens, EOS included.
        max_target_length: Tokens, EOS included.
        modules: Python files that define tasks; a worker must import them to know their functions.
        is_packed: Whether the records of training splits hold several examples.
        pack_target_length: Target positions of a packed record; 0: as few as cost no record.
    """

    vocabulary: str
    max_input_length: int
    max_target_length: int
    modules: tuple[str, ...] = ()
    is_packed: bool = False
    pack_target_length: int = 0


@dataclass(frozen=True)
class ShardJob:
    """One shard to write.

    Attributes:
        task: The task.
        split: The split.
        index: Number of the shard in the split, from 0.
        block: Where the rows are.
        first_example: Row number in the split of the block's first row that belongs to it.
        is_member: bool [rows of the block], which belong to the split; None: all.
        path: The shard to write.
        rejected_path: Where to write rejected rows, if there are any.
    """

    task: Task
    split: str
    index: int
    block: Block
    first_example: int
    is_member: np.ndarray | None
    path: Path
    rejected_path: Path


@dataclass(frozen=True)
class ShardResult:
    """What came of a job.

    Attributes:
        job_index: Number of the shard in the split.
        rows: Source rows that were read.
        dropped: Rows that the task's row functions left out.
        expanded: Examples beyond the first of their row.
        examples: Examples written.
        records: Records written; fewer than examples where they are packed.
        fullest_targets: The most target tokens in one record.
        bytes: Size of the shard.
        crc32c: Checksum of the shard, eight hexadecimal digits.
        input_tokens: Sum, EOS included.
        target_tokens: Sum, EOS included.
        truncated: Examples of which something was cut.
        truncated_targets: Those whose targets were cut.
        longest_input: Tokens, EOS included.
        longest_target: Tokens, EOS included.
        labels: Examples per label index, −1 for those without.
        rejected: Rows per reason.
        fingerprints: uint64 [examples], of the input texts, to tell equal ones between splits.
    """

    job_index: int
    rows: int
    dropped: int
    expanded: int
    examples: int
    records: int
    fullest_targets: int
    bytes: int
    crc32c: str
    input_tokens: int
    target_tokens: int
    truncated: int
    truncated_targets: int
    longest_input: int
    longest_target: int
    labels: Counter[int]
    rejected: Counter[str]
    fingerprints: np.ndarray


# Every right answer's text; label words, which have no others, by themselves.
_AnswerKey = tuple[str, ...] | str


class _Answer(NamedTuple):
    """An answer's label index, its token ids, both serialized, and whether it was cut."""

    label: int
    ids: list[int]
    features: bytes
    is_cut: bool


@dataclass
class _Worded:
    """The rows of a block as examples, their row numbers in the split, and what was lost."""

    numbers: list[int] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    rejected: list[dict] = field(default_factory=list)
    rows: int = 0
    dropped: int = 0
    expanded: int = 0

    def add(self, number: int, made: Sequence[Example]) -> None:
        """Adds what one row became: nothing, one example or several."""
        self.examples += made
        self.numbers += [number] * len(made)
        self.dropped += not made
        self.expanded += max(len(made) - 1, 0)


@dataclass
class _Encoded:
    """Examples before they are serialized.

    Attributes:
        numbers: Row numbers in the split.
        examples: The texts they were made of.
        inputs: Token ids with EOS.
        answers: Their answers.
        cut: Positions of those whose inputs were cut.
        dropped: Rows that left nothing.
        expanded: Examples beyond the first of their row.
    """

    numbers: list[int]
    examples: list[Example]
    inputs: list[list[int]]
    answers: list[_Answer]
    cut: set[int]
    dropped: int
    expanded: int


class ShardWriter:
    """Turns jobs into shards; one lives in every worker.

    Args:
        settings: What every shard has in common.
    """

    def __init__(self, settings: EncodingSettings):
        self._settings = settings
        self._vocabulary = Vocabulary(settings.vocabulary)
        self._records = RecordEncoder(self._vocabulary.size)

    def write(self, job: ShardJob) -> ShardResult:
        """Writes one shard, and its rejected rows beside it; neither is synced to the disk.

        Args:
            job: What to do.

        Returns:
            Figures for the manifest.

        Raises:
            DataError: If the rows cannot be read, a function of the task raised what no row should
                make it raise, or a target is too long for a packed record.
            OSError: If the disk refuses.
        """
        loaded = dataclasses.replace(job, block=job.block.load())
        with _seldom_collecting():
            return self._write(loaded)

    def _write(self, job: ShardJob) -> ShardResult:
        try:
            worded = _word(job)
        except Exception as error:
            raise DataError(
                f"wording {job.split} near row {job.block.first_row:,} of {job.block.file}:"
                f" {type(error).__name__}: {error}"
            ) from error
        _write_rejected(job.rejected_path, worded.rejected)
        encode = self._encode_segments if job.task.objective else self._encode_pairs
        encoded = encode(job.task, job.split, worded)
        is_packed = self._settings.is_packed and job.split in PACKED_SPLITS
        content, records, fullest_targets = self._serialize(
            encoded, is_packed, bool(job.task.group)
        )
        write_file(job.path, content)
        cut_targets = {position for position, answer in enumerate(encoded.answers) if answer.is_cut}
        input_lengths = list(map(len, encoded.inputs))
        target_lengths = [len(answer.ids) for answer in encoded.answers]
        return ShardResult(
            job_index=job.index,
            rows=worded.rows,
            dropped=encoded.dropped,
            expanded=encoded.expanded,
            examples=len(encoded.inputs),
            records=records,
            fullest_targets=fullest_targets,
            bytes=len(content),
            crc32c=f"{google_crc32c.value(content):08x}",
            input_tokens=sum(input_lengths),
            target_tokens=sum(target_lengths),
            truncated=len(encoded.cut | cut_targets),
            truncated_targets=len(cut_targets),
            longest_input=max(input_lengths, default=0),
            longest_target=max(target_lengths, default=0),
            labels=Counter(map(_LABEL_OF, encoded.examples)),
            rejected=Counter(row["reason"] for row in worded.rejected),
            fingerprints=fingerprint_texts(map(_INPUTS_OF, encoded.examples)),
        )

    def _serialize(self, encoded: _Encoded, is_packed: bool, has_groups: bool) -> Records:
        if is_packed:
            return pack_records(
                self._records,
                encoded.numbers,
                [answer.label for answer in encoded.answers],
                encoded.inputs,
                [answer.ids for answer in encoded.answers],
                self._settings.max_input_length,
                self._settings.pack_target_length,
            )
        groups = (fingerprint_group(example.group) for example in encoded.examples)
        messages = self._records.messages(
            encoded.numbers,
            encoded.inputs,
            [answer.features for answer in encoded.answers],
            groups if has_groups else None,
        )
        content = self._records.frame_all(messages)
        longest = max((len(answer.ids) for answer in encoded.answers), default=0)
        return Records(content, len(encoded.inputs), longest)

    def _max_lengths(self, task: Task) -> tuple[int, int]:
        return (
            _shorter(self._settings.max_input_length, task.max_input_length),
            _shorter(self._settings.max_target_length, task.max_target_length),
        )

    def _encode_pairs(self, task: Task, split: str, worded: _Worded) -> _Encoded:
        """Encodes inputs and answers as they are worded."""
        examples = worded.examples
        max_input_length, max_target_length = self._max_lengths(task)
        inputs = self._encode(list(map(_INPUTS_OF, examples)))
        cut = truncate(
            inputs,
            max_input_length,
            self._vocabulary.eos_id,
            task.truncation,
            self._vocabulary.sentinel_id(MARKER_SENTINEL),
        )
        has_references = task.kind == "generation" and split != TRAIN_SPLIT
        keys = [example.references or example.targets for example in examples]
        answers = self._encode_answers(
            dict(zip(keys, examples, strict=True)), max_target_length, has_references
        )
        chosen = list(map(answers.__getitem__, keys))
        return _Encoded(
            worded.numbers, examples, inputs, chosen, cut, worded.dropped, worded.expanded
        )

    def _encode_segments(self, task: Task, split: str, worded: _Worded) -> _Encoded:
        """Makes inputs and answers of raw texts, as the task's objective says."""
        limits = self._max_lengths(task)
        encoded = _Encoded([], [], [], [], set(), worded.dropped, worded.expanded)
        texts = self._encode([example.inputs for example in worded.examples])
        rows = zip(worded.numbers, worded.examples, texts, strict=True)
        for number, example, ids in rows:
            made = 0
            for inputs, targets in make_pairs(
                task.objective, ids, number, self._vocabulary, *limits
            ):
                made += 1
                encoded.numbers.append(number)
                encoded.examples.append(example)
                encoded.inputs.append(inputs)
                features = self._records.answer(NO_LABEL, targets)
                encoded.answers.append(_Answer(NO_LABEL, targets, features, False))
            encoded.dropped += not made
            encoded.expanded += max(made - 1, 0)
        return encoded

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return self._vocabulary.encode_batch(texts) if texts else []

    def _encode_answers(
        self, different: Mapping[_AnswerKey, Example], longest: int, has_references: bool
    ) -> dict[_AnswerKey, _Answer]:
        """Encodes each different answer once: most tasks have a handful of them."""
        targets = self._encode([example.targets for example in different.values()])
        cut = truncate(targets, longest, self._vocabulary.eos_id)
        answers = {}
        for position, (key, ids) in enumerate(zip(different, targets, strict=True)):
            example = different[key]
            references = example.references if has_references else ()
            features = self._records.answer(example.label, ids, references)
            answers[key] = _Answer(example.label, ids, features, position in cut)
        return answers


def _shorter(limit: int, own: int | None) -> int:
    return limit if own is None else min(limit, own)


@contextlib.contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Lets the garbage collector look rarely.

    Rows and lists of ids hold no cycles, yet it would go through all of them again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _word(job: ShardJob) -> _Worded:
    """Words the rows of a block; the examples of one row share its number."""
    make, expand = job.task.example_maker(), job.task.row_expander(job.split)
    rows = list(parse_block(job.block))
    if expand is None and job.is_member is None and RowError not in set(map(type, rows)):
        with contextlib.suppress(RowError):  # most blocks have no row that cannot be used
            numbers = list(range(job.first_example, job.first_example + len(rows)))
            return _Worded(numbers, list(map(make, cast("list[Row]", rows))), [], len(rows))
    make_all = job.task.examples_maker(job.split)
    worded = _Worded()
    number = job.first_example - 1
    for offset, row in enumerate(rows):
        if job.is_member is not None and not job.is_member[offset]:
            continue
        number += 1
        try:
            worded.add(number, make_all(row))
        except RowError as error:
            worded.rejected.append(
                {
                    "file": job.block.file,
                    "row": job.block.first_row + offset,
                    "split": job.split,
                    "reason": error.reason,
                    "detail": error.detail,
                }
            )
    worded.rows = number - job.first_example + 1
    return worded


def _write_rejected(path: Path, rejected: Sequence[dict]) -> None:
    if rejected:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rejected]
        write_file(path, "".join(lines).encode("utf-8", "backslashreplace"))
