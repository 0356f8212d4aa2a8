"""What an export answers beside what the run answers: the same texts, through strings."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from eval.predicting.asking import TextAnswerer
from eval.session import Session
from prep import TaskEntry, read_split
from prep.sources.row import is_blank

_AT_ONCE = 32  # texts that the export is asked about


@dataclass(frozen=True)
class Reference:
    """What the run answers to some texts of a task.

    Attributes:
        texts: As a dataset has them.
        answers: One to each.
        scores: float [texts], not a number where the run gives none.
        are_numbers: Whether the answers are numbers, and the scores these.
    """

    texts: tuple[str, ...]
    answers: tuple[str, ...]
    scores: np.ndarray
    are_numbers: bool = False


def ask_run(
    session: Session, entries: Sequence[TaskEntry], split: str, most: int
) -> dict[str, Reference]:
    """Let the run answer the first examples of a split.

    Args:
        session: The open run, with the weights it was trained to.
        entries: The tasks.
        split: Of the dataset; tasks that lack it are left out.
        most: Examples of each task.

    Returns:
        Texts and answers by task.
    """
    found = {}
    for entry in entries:
        if split not in entry.splits:
            continue
        table = read_split(session.dataset, session.manifest, entry.name, split).head(most)
        decode = session.vocabulary.decode_texts
        texts = tuple(decode(table.input_ids(row)) for row in range(len(table)))
        texts = tuple(text for text in texts if not is_blank(text))
        if not texts:
            continue
        answers = TextAnswerer(session, entry.name)(texts)
        given = tuple(answer.text for answer in answers)
        are_numbers = entry.kind == "regression" and session.run.model.has_head(entry.name)
        scores = given if are_numbers else [answer.ranked[0].score for answer in answers]
        found[entry.name] = Reference(texts, given, np.array(scores, float), are_numbers)
    return found


def compare(model: Any, references: Mapping[str, Reference]) -> dict[str, dict[str, Any]]:
    """Ask an export the same.

    Args:
        model: As `tf.saved_model.load` returns it.
        references: What the run answers, by task.

    Returns:
        By task: `examples`, `same_answers`, None of numbers, which are told by the difference of
        their scores, and `largest_score_difference`, None where the run gives no scores.
    """
    found = {}
    for name, reference in references.items():
        answers: list[str] = []
        scores: list[float] = []
        for first in tqdm(
            range(0, len(reference.texts), _AT_ONCE), desc=name, disable=None, file=sys.stderr
        ):
            texts = tf.constant(reference.texts[first : first + _AT_ONCE])
            given = model.signatures[name](text=texts)
            answers += [answer.decode() for answer in given["answer"].numpy()]
            scores += given["score"].numpy().tolist()
        same = [ours == theirs for ours, theirs in zip(answers, reference.answers, strict=True)]
        # Another answer has another score: what is told of is that of the same answers.
        pairs = zip(scores, reference.scores.tolist(), same, strict=True)
        apart = [
            abs(ours - theirs)
            for ours, theirs, is_same in pairs
            if is_same or reference.are_numbers
        ]
        known = [one for one in apart if not np.isnan(one)]
        found[name] = {
            "examples": len(same),
            "same_answers": None if reference.are_numbers else sum(same),
            "largest_score_difference": max(known, default=None),
        }
    return found


def describe_check(found: Mapping[str, Mapping[str, Any]], split: str) -> list[str]:
    """Say what a check found, a line for each task."""
    lines = []
    for name, one in found.items():
        apart, same = one["largest_score_difference"], one["same_answers"]
        if same is None:
            what = f"{one['examples']:,} numbers on {split} are within {apart:.2g} of the run's"
        else:
            what = f"{same:,} of {one['examples']:,} answers on {split} are those of the run"
            what += "" if apart is None else f", scores within {apart:.2g}"
        lines.append(f"{name}: {what}")
    return lines
