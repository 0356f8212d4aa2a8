"""Answers that an evaluation has so far: what was killed goes on where it was.

They lie in `<split>.unfinished/` of the report's folder, a file for every so many examples of a
task, beside the question that they are answers to; the report written, they are taken away. Of
several workers the first one keeps them, and tells the others.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eval.decoding.answerer import Given
from eval.decoding.predictor import Progress
from prep import TaskEntry, TokenTable
from prep.dataset.digests import task_digest
from prep.storage.durable_files import write_atomically

BATCHES_AT_ONCE = 64  # that are answered before answers are written down

_QUESTION = "question.json"

Answer = Callable[[TaskEntry, TokenTable, Progress], Given]
Hear = Callable[[bytes | None], bytes | None]


class UnfinishedAnswers:
    """Answers a table part by part, and writes each part down.

    Args:
        folder: Of the report.
        split: The split that is scored.
        question: What answers depend on beside the examples: checkpoint, decoding and the like.
        batch_size: Examples per batch.
        is_keeper: Whether this process writes answers down.
        hear: Given what this process has of a file, tells what its keeper has.

    Attributes:
        found: How many examples an evaluation before had answered, so far as its keeper was asked.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        question: Mapping[str, Any],
        batch_size: int,
        *,
        is_keeper: bool = True,
        hear: Hear = lambda content: content,
    ):
        self.folder, self.split, self.found = folder / f"{split}.unfinished", split, 0
        self._is_keeper, self._hear = is_keeper, hear
        self.at_once = BATCHES_AT_ONCE * batch_size
        self._question = json.dumps({**question, "at_once": self.at_once}, indent=1).encode()
        file = self.folder / _QUESTION
        is_other = not file.is_file() or file.read_bytes() != self._question
        if is_keeper and self.folder.is_dir() and is_other:
            shutil.rmtree(self.folder)

    def answer_with(self, answer: Answer) -> Answer:
        """Make what answers a table of what answers a part of it.

        Args:
            answer: Of an entry, a table, and what is told how many examples are done.

        Returns:
            The same, which asks for what is not there yet alone.
        """

        def answer_all(entry: TaskEntry, table: TokenTable, report: Progress) -> Given:
            parts = []
            for first in range(0, max(len(table), 1), self.at_once):
                part = table.part(first, first + self.at_once)
                file = self.folder / f"{entry.name}-{first}.npz"
                kept = self._hear(self._find(file, entry, part) if self._is_keeper else None)
                if kept is None:
                    given = answer(entry, part, _from(first, report))
                    if self._is_keeper:
                        self._write(file, given, entry)
                else:
                    given, _ = _parse(kept)
                    self.found += self._is_keeper * len(part)
                parts.append(given)
                report(first + len(part))
            return join(parts)

        return answer_all

    def take_away(self) -> None:
        """Forget the answers, where they are kept: what they were for is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _find(self, file: Path, entry: TaskEntry, part: TokenTable) -> bytes | None:
        """Read the answers to a part; None where there are none, or half a file, or others'."""
        try:
            content = file.read_bytes()
            given, of = _parse(content)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None
        return content if of == self._describe(entry) and len(given.texts) == len(part) else None

    def _describe(self, entry: TaskEntry) -> list[str]:
        """Say what a part's answers are to: another process may answer otherwise meanwhile."""
        return [task_digest(entry, [self.split]), hashlib.sha256(self._question).hexdigest()]

    def _write(self, file: Path, given: Given, entry: TaskEntry) -> None:
        about = {"texts": given.texts, "way": given.way, "of": self._describe(entry)}
        arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        if given.scores is not None:
            arrays["scores"] = given.scores
        stream = io.BytesIO()
        np.savez(stream, token_ids=given.token_ids, **arrays)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / _QUESTION, self._question)
        write_atomically(file, stream.getvalue())


def _parse(content: bytes) -> tuple[Given, list[str]]:
    """Read a file of answers, and what they are answers to."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        about = json.loads(bytes(arrays["about"]))
        scores = arrays.get("scores")
        return Given(about["texts"], arrays["token_ids"], scores, about["way"]), about["of"]


def _from(first: int, report: Progress) -> Progress:
    return lambda done: report(first + done)


def join(parts: list[Given]) -> Given:
    """Put the answers to the parts of a table together.

    Args:
        parts: One or more, in order, of one task.

    Returns:
        The answers to all of it.
    """
    first = parts[0]
    scores = [part.scores for part in parts if part.scores is not None]
    return Given(
        [text for part in parts for text in part.texts],
        np.concatenate([part.token_ids for part in parts]),
        np.concatenate(scores) if scores else None,
        first.way,
    )
