"""The work of one worker: a block of rows → one shard, with what is to be known about it.

A worker shares nothing with the others: it decodes, words, tokenizes, serializes and writes its
own file, and returns figures only, so work scales with processes and the bytes do not depend on
how many there are.
"""

import contextlib
import dataclasses
import gc
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import google_crc32c

from prep.errors import DataError
from prep.records.encoder import RecordEncoder
from prep.records.packed import PACKED_SPLITS, Records, pack_records
from prep.shards.fingerprints import fingerprint_group, fingerprint_texts
from prep.shards.jobs import EncodingSettings, ShardJob, ShardResult
from prep.shards.wording import WordedRows, word_rows, write_rejected
from prep.storage.durable_files import write_file
from prep.tasks.examples import NO_LABEL, TRAIN_SPLIT, Example
from prep.tasks.task import Task
from prep.tokens.objectives import make_pairs
from prep.tokens.truncation import MARKER_SENTINEL, split_choices, truncate
from prep.tokens.vocabulary import Vocabulary

_COLLECT_AFTER = 100_000  # new containers, where Python's own number is 700
_LABEL_OF = operator.attrgetter("label")
_INPUTS_OF = operator.attrgetter("inputs")

# Every right answer's text; label words, which have no others, by themselves.
_AnswerKey = tuple[str, ...] | str


class _Answer(NamedTuple):
    """An answer, encoded.

    Attributes:
        label: Index of the label word, −1 if none.
        ids: Token ids with EOS.
        features: Both of them serialized, and the references where there are any.
        is_cut: Whether it was too long.
    """

    label: int
    ids: list[int]
    features: bytes
    is_cut: bool


@dataclass
class _Encoded:
    """Examples before they are serialized.

    Attributes:
        numbers: Row numbers in the split.
        examples: The texts they were made of.
        inputs: Token ids with EOS.
        answers: Their answers.
        cut: Positions of those whose inputs were cut.
        dropped: Rows that left nothing, by what left them out.
        expanded: Examples beyond the first of their row.
    """

    numbers: list[int]
    examples: list[Example]
    inputs: list[list[int]]
    answers: list[_Answer]
    cut: set[int]
    dropped: Counter[str]
    expanded: int


class ShardWriter:
    """What turns jobs into shards; one lives in every worker.

    Args:
        settings: What every shard has in common.
    """

    def __init__(self, settings: EncodingSettings):
        self._settings = settings
        self._vocabulary = Vocabulary(
            settings.vocabulary, blank_after_sentinels=settings.blank_after_sentinels
        )
        self._records = RecordEncoder(self._vocabulary.size)

    def write(self, job: ShardJob) -> ShardResult:
        """Write one shard, and its rejected rows beside it; neither is synced to the disk.

        Args:
            job: What to do.

        Returns:
            Figures for the manifest.

        Raises:
            DataError: If the rows cannot be read, a target is too long for a packed record, or
                anything else of the task makes this program raise.
            OSError: If the disk refuses.
        """
        try:
            loaded = dataclasses.replace(job, block=job.block.load())
            with _seldom_collecting():
                return self._write(loaded)
        except (DataError, OSError):
            raise
        except Exception as error:
            raise DataError(
                f"writing {job.split} from row {job.block.first_row:,} of {job.block.file}:"
                f" {type(error).__name__}: {error}"
            ) from error

    def _write(self, job: ShardJob) -> ShardResult:
        worded = word_rows(job)
        write_rejected(job.rejected_path, worded.rejected)
        encode = self._encode_segments if job.task.objective else self._encode_pairs
        encoded = encode(job.task, job.split, worded)
        is_packed = self._settings.is_packed and job.split in PACKED_SPLITS
        content, records, fullest_targets = self._serialize(job.task, encoded, is_packed)
        write_file(job.path, content)
        cut_targets = {position for position, answer in enumerate(encoded.answers) if answer.is_cut}
        input_lengths = Counter(map(len, self._texts(job.task, encoded)))
        target_lengths = Counter(len(answer.ids) for answer in encoded.answers)
        unknown_inputs = [ids.count(Vocabulary.unk_id) for ids in encoded.inputs]
        unknown_targets = [answer.ids.count(Vocabulary.unk_id) for answer in encoded.answers]
        return ShardResult(
            job_index=job.index,
            rows=worded.rows,
            blank=worded.blank,
            dropped=encoded.dropped,
            expanded=encoded.expanded,
            examples=len(encoded.inputs),
            records=records,
            fullest_targets=fullest_targets,
            bytes=len(content),
            crc32c=f"{google_crc32c.value(content):08x}",
            input_tokens=sum(map(len, encoded.inputs)),
            target_tokens=sum(len(answer.ids) for answer in encoded.answers),
            truncated=len(encoded.cut | cut_targets),
            truncated_targets=len(cut_targets),
            longest_input=max(input_lengths, default=0),
            longest_target=max(target_lengths, default=0),
            input_lengths=input_lengths,
            target_lengths=target_lengths,
            unknown_input_tokens=sum(unknown_inputs),
            unknown_target_tokens=sum(unknown_targets),
            # Pieces are the text cut up; what is lost has no piece, or comes after an EOS.
            lossy_inputs=sum(map(bool, unknown_inputs)),
            lossy_targets=sum(
                bool(unknown) or answer.ids.count(Vocabulary.eos_id) > 1
                for unknown, answer in zip(unknown_targets, encoded.answers, strict=True)
            ),
            labels=Counter(map(_LABEL_OF, encoded.examples)),
            rejected=Counter(row["reason"] for row in worded.rejected),
            fingerprints=fingerprint_texts(map(_INPUTS_OF, encoded.examples)),
        )

    def _texts(self, task: Task, encoded: _Encoded) -> list[list[int]]:
        """List what the encoder reads by itself: inputs, or each choice of them, with its EOS."""
        if not task.choices:
            return encoded.inputs
        eos = self._vocabulary.eos_id
        return [[*part, eos] for ids in encoded.inputs for part in split_choices(ids, eos)]

    def _serialize(self, task: Task, encoded: _Encoded, is_packed: bool) -> Records:
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
        documents = (fingerprint_group(example.document) for example in encoded.examples)
        messages = self._records.messages(
            encoded.numbers,
            encoded.inputs,
            [answer.features for answer in encoded.answers],
            groups if task.group else None,
            documents if task.document else None,
        )
        content = self._records.frame_all(messages)
        longest = max((len(answer.ids) for answer in encoded.answers), default=0)
        return Records(content, len(encoded.inputs), longest)

    def _max_lengths(self, task: Task) -> tuple[int, int]:
        return (
            _shorter(self._settings.max_input_length, task.max_input_length),
            _shorter(self._settings.max_target_length, task.max_target_length),
        )

    def _encode_pairs(self, task: Task, split: str, worded: WordedRows) -> _Encoded:
        """Encode inputs and answers as they are worded."""
        examples = worded.examples
        max_input_length, max_target_length = self._max_lengths(task)
        inputs = self._encode(list(map(_INPUTS_OF, examples)))
        cut = self._truncate_inputs(task, inputs, max_input_length)
        has_references = task.kind == "generation" and split != TRAIN_SPLIT
        keys = [example.references or example.targets for example in examples]
        answers = self._encode_answers(
            dict(zip(keys, examples, strict=True)), max_target_length, has_references
        )
        chosen = list(map(answers.__getitem__, keys))
        return _Encoded(
            worded.numbers, examples, inputs, chosen, cut, worded.dropped, worded.expanded
        )

    def _truncate_inputs(self, task: Task, inputs: list[list[int]], max_length: int) -> set[int]:
        """Cut inputs where they are too long, those of each choice by themselves."""
        eos = self._vocabulary.eos_id
        how = eos, task.truncation, self._vocabulary.sentinel_id(MARKER_SENTINEL)
        if not task.choices:
            return truncate(inputs, max_length, *how)
        cut = set()
        for position, ids in enumerate(inputs):
            parts = split_choices([*ids, eos], eos)
            if truncate(parts, max_length, *how):
                cut.add(position)
            inputs[position] = [token for part in parts for token in part]
        return cut

    def _encode_segments(self, task: Task, split: str, worded: WordedRows) -> _Encoded:
        """Make inputs and answers of raw texts, as the task's objective says."""
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
            if not made:
                encoded.dropped[f"the objective {task.objective}"] += 1
            encoded.expanded += max(made - 1, 0)
        return encoded

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return self._vocabulary.encode_batch(texts) if texts else []

    def _encode_answers(
        self, different: Mapping[_AnswerKey, Example], longest: int, has_references: bool
    ) -> dict[_AnswerKey, _Answer]:
        """Encode each different answer once: most tasks have a handful of them."""
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
    """Let the garbage collector look rarely.

    Rows and lists of ids hold no cycles, yet it would go through all of them again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
