"""Answers to the rows of a file, written in their order; what was killed goes on where it was.

Rows go to `OUT.partial`; `OUT.progress` says how many of them, how many bytes they are, a digest of
the rows they answer, and for which question they were the answers. When all are there, the file
gets its name.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters_tf.errors import say_note
from eval.predicting.asking import Answer
from eval.predicting.rows import AskedRow
from prep import DataError, UsageError
from prep.storage.durable_files import write_atomically
from prep.storage.locks import locked

WRITTEN_FORMATS = (".jsonl", ".csv", ".tsv", ".txt")
_RANKED = "answers"
_SHARES = "probabilities"
ADDED = ("prediction", _SHARES, _RANKED, "fault")  # to a row's fields, at most
_DIGITS = "{:.6g}"


def describe_row(row: AskedRow, answer: Answer | None, n_best: int) -> dict[str, Any]:
    """Put a row and its answer together.

    Args:
        row: The row.
        answer: Its answer; None where it has a fault.
        n_best: How many answers were asked for.

    Returns:
        The row's own fields, then `prediction`, `probabilities` where it was a choice among label
        words, `answers` where several were asked for, and `fault` where there is one.

    Raises:
        DataError: The row has such a field of its own.
    """
    if taken := [name for name in row.fields if name in added_fields(n_best)]:
        raise DataError(
            f"a row has a field {taken[0]!r} already, which --out is to have: {dict(row.fields)}"[
                :200
            ]
        )
    record = dict(row.fields)
    if answer is None:
        return record | {"prediction": None, "fault": row.fault}
    record["prediction"] = answer.text
    if answer.probabilities:
        shares = answer.probabilities.items()
        record[_SHARES] = {word: float(_DIGITS.format(share)) for word, share in shares}
    if n_best > 1:
        record[_RANKED] = [
            {"text": one.text, "score": float(_DIGITS.format(one.score))} for one in answer.ranked
        ]
    return record


def added_fields(n_best: int) -> list[str]:
    """Name what is added to a row's own fields where so many answers are asked for."""
    return [name for name in ADDED if n_best > 1 or name != _RANKED]


def name_columns(fields: Sequence[str], n_best: int, is_choice: bool) -> list[str]:
    """Name the columns of a table of rows and their answers, as `describe_row` has them."""
    added = [name for name in added_fields(n_best) if is_choice or name != _SHARES]
    return [*fields, *added]


class AnswerFile:
    """Answers on their way to a file.

    Args:
        path: Where they are to be, when all are there; its ending says in which format.
        question: What they are answers to: the run, its step, the task, the file of texts.
        columns: Of a table: the rows' own fields, and what `describe_row` adds.

    Attributes:
        rows: How many there are; at first those that a run before has left.
        faults: How many of them could not be read.

    Raises:
        UsageError: The ending is none that can be written.
        DataError: The file or its remains cannot be read, or another process writes it.
    """

    def __init__(self, path: Path, question: Mapping[str, Any], columns: Sequence[str]):
        self.path, self.question, self.columns = path, dict(question), list(columns)
        self.format = path.suffix.lower()
        if self.format not in WRITTEN_FORMATS:
            known = ", ".join(WRITTEN_FORMATS)
            raise UsageError(f"--out {path.name}: expected a name that ends in {known}")
        self.partial = path.with_name(f"{path.name}.partial")
        self.progress = path.with_name(f"{path.name}.progress")
        self._asked = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            lock = path.with_name(f"{path.name}.lock")
            held.enter_context(locked(lock, str(path), say_note, writer="process"))
            self.rows, self.faults, size, self._answered = self._find_remains()
            self._file = held.enter_context(self.partial.open("r+b" if self.rows else "wb"))
            self._file.truncate(size)
            self._file.seek(size)
            self._held = held.pop_all()

    def leave_out_answered(self, parts: Iterator[list[AskedRow]]) -> Iterator[list[AskedRow]]:
        """Stream the rows that have no answer yet.

        Args:
            parts: All rows to answer, from the first.

        Yields:
            Those after the ones that a run before has answered, which are to be written down
            before the next are taken.

        Raises:
            DataError: The answered ones were others.
        """
        left = self.rows
        for part in parts:
            known, rest = part[:left], part[left:]
            left -= len(known)
            self._note_asked(known)
            if known and not left:
                self._check_asked()
            if rest:
                self._note_asked(rest)
                yield rest
        if left:
            self._check_asked()

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the next rows, so that they outlive whatever comes."""
        self._file.write(self._format(records).encode("utf-8", "backslashreplace"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows += len(records)
        self.faults += sum("fault" in one for one in records)
        state = {
            "question": self.question,
            "rows": self.rows,
            "faults": self.faults,
            "bytes": self._file.tell(),
            "asked": self._asked.hexdigest(),
        }
        write_atomically(self.progress, json.dumps(state).encode())

    def close(self, *, is_whole: bool) -> None:
        """End writing; give the file its name if all rows are there."""
        with self._held:
            self._file.close()
            if is_whole:
                self.partial.replace(self.path)
                self.progress.unlink(missing_ok=True)

    def _note_asked(self, rows: Sequence[AskedRow]) -> None:
        for row in rows:
            self._asked.update(repr((dict(row.fields), row.text, row.fault)).encode())

    def _check_asked(self) -> None:
        if self._asked.hexdigest() != self._answered:
            raise DataError(
                f"{self.partial} has answers to {self.rows:,} rows, and the first rows are no "
                f"longer those; remove {self.progress} to begin anew"
            )

    def _find_remains(self) -> tuple[int, int, int, str]:
        try:
            state = json.loads(self.progress.read_bytes())
            rows, faults, size = (int(state[name]) for name in ("rows", "faults", "bytes"))
            is_ours = state["question"] == self.question and self.partial.is_file()
            if is_ours and self.partial.stat().st_size >= size:
                return rows, faults, size, state["asked"]
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.progress} cannot be read: {error}; remove it") from error
        return 0, 0, 0, ""

    def _format(self, records: Sequence[Mapping[str, Any]]) -> str:
        if self.format == ".jsonl":
            return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
        if self.format == ".txt":
            return "".join(f"{' '.join((one['prediction'] or '').split())}\n" for one in records)
        text = io.StringIO()
        delimiter = "," if self.format == ".csv" else "\t"
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        if not self.rows:
            writer.writerow(self.columns)
        for number, one in enumerate(records, self.rows + 1):
            if unknown := [name for name in one if name not in self.columns]:
                raise DataError(
                    f"row {number} has a field {unknown[0]!r} that no row before has, so there is "
                    "no column for it; write --out to a name that ends in .jsonl"
                )
            writer.writerow([_as_cell(one.get(name)) for name in self.columns])
        return text.getvalue()


def _as_cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
