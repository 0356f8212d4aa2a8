"""A block of rows → examples, with the rows that were lost on the way."""

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from prep.shards.jobs import ShardJob
from prep.sources.blocks import parse_block
from prep.sources.row import BlankLineError, Row, RowError
from prep.storage.durable_files import write_file
from prep.tasks.examples import Example, row_to_example, row_to_examples, row_to_rows
from prep.tasks.patterns import SlowPatternError

_FAULTS = {RowError, BlankLineError}


@dataclass
class WordedRows:
    """The rows of a block as examples, their row numbers in the split, and what was lost.

    Attributes:
        numbers: Row numbers in the split, one per example.
        examples: The examples.
        rejected: File, row number, split, reason and detail of each row that cannot be used.
        rows: Rows of the split in the block, whatever became of them.
        blank: Those that are lines with nothing in them.
        dropped: Rows that left nothing, by what left them out.
        expanded: Examples beyond the first of their row.
    """

    numbers: list[int] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    blank: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    expanded: int = 0

    def add(self, number: int, made: Sequence[Example]) -> None:
        """Add what one row became: nothing, one example or several."""
        self.examples += made
        self.numbers += [number] * len(made)
        self.expanded += max(len(made) - 1, 0)


def word_rows(job: ShardJob) -> WordedRows:
    """Word the rows of a block; the examples of one row share its number."""
    make, expand = row_to_example(job.task), row_to_rows(job.task, job.split)
    rows = list(parse_block(job.block))
    if expand is None and job.is_member is None and not _FAULTS & set(map(type, rows)):
        with contextlib.suppress(RowError):  # most blocks have no row that cannot be used
            numbers = list(range(job.first_example, job.first_example + len(rows)))
            return WordedRows(numbers, list(map(make, cast("list[Row]", rows))), rows=len(rows))
    worded = WordedRows()
    make_all = row_to_examples(job.task, job.split, lambda name: worded.dropped.update((name,)))
    number = job.first_example - 1
    for offset, row in enumerate(rows):
        if job.is_member is not None and not job.is_member[offset]:
            continue
        number += 1
        if isinstance(row, BlankLineError):
            worded.blank += 1
            continue
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
        except SlowPatternError as error:
            where = f"row {job.block.first_row + offset:,} of {job.block.file}"
            raise SlowPatternError(f"{where}: {error}") from error
    worded.rows = number - job.first_example + 1
    return worded


def write_rejected(path: Path, rejected: Sequence[dict[str, Any]]) -> None:
    """Write the rows that became no example, if there are any.

    Args:
        path: The file.
        rejected: File, row number, split, reason and detail of each.

    Raises:
        OSError: If the disk refuses.
    """
    if rejected:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rejected]
        write_file(path, "".join(lines).encode("utf-8", "backslashreplace"))
