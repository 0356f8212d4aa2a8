"""A shard to write and what came of it: all that travels between the build and its workers."""

import base64
import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prep.sources.blocks import Block
from prep.tasks.task import Task


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
        blank_after_sentinels: Whether what follows a sentinel always begins with a "▁".
    """

    vocabulary: str
    max_input_length: int
    max_target_length: int
    modules: tuple[str, ...] = ()
    is_packed: bool = False
    pack_target_length: int = 0
    blank_after_sentinels: bool = True


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
        rows: Source rows that were read, blank lines included.
        blank: Blank lines.
        dropped: Rows that were left out, by the key or the row function that did it.
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
        input_lengths: Examples by tokens of their inputs; of choices, texts of all of them.
        target_lengths: Examples by tokens of their targets.
        unknown_input_tokens: Those that are `<unk>`.
        unknown_target_tokens: Those that are `<unk>`.
        lossy_inputs: Examples whose inputs do not decode back to what they were.
        lossy_targets: Examples whose targets do not.
        labels: Examples per label index, −1 for those without.
        rejected: Rows per reason.
        fingerprints: uint64 [examples], of the input texts, to tell equal ones between splits.
    """

    job_index: int
    rows: int
    blank: int
    dropped: Counter[str]
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
    input_lengths: Counter[int]
    target_lengths: Counter[int]
    unknown_input_tokens: int
    unknown_target_tokens: int
    lossy_inputs: int
    lossy_targets: int
    labels: Counter[int]
    rejected: Counter[str]
    fingerprints: np.ndarray


def result_as_json(result: ShardResult) -> dict[str, Any]:
    """Turn what came of a shard into what JSON can hold.

    Args:
        result: What came of a shard.

    Returns:
        The values by field.
    """
    values = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name != "fingerprints"
    }
    packed = base64.b64encode(result.fingerprints.astype("<u8").tobytes()).decode()
    return {**values, "fingerprints": packed}


def result_from_json(values: Mapping[str, Any]) -> ShardResult:
    """Undo `result_as_json`.

    Args:
        values: The values by field, from JSON.

    Returns:
        What came of the shard.
    """
    packed = np.frombuffer(base64.b64decode(values["fingerprints"]), "<u8")
    by_number = {
        name: Counter({int(number): count for number, count in values[name].items()})
        for name in ("labels", "input_lengths", "target_lengths")
    }
    return ShardResult(
        **(
            dict(values)
            | {
                "fingerprints": packed.astype(np.uint64),
                **by_number,
                "rejected": Counter(values["rejected"]),
                "dropped": Counter(values["dropped"]),
            }
        )
    )
