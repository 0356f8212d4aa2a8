"""A run asked for answers to texts, worded as the task's inputs are in its dataset."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prep import (
    Manifest,
    TaskEntry,
    TokenTable,
    UsageError,
    Vocabulary,
    read_split,
    read_vocabulary,
)
from prep.sources.row import is_blank
from prep.tokens.vocabulary import EOS_MARK

if TYPE_CHECKING:  # loading TensorFlow takes seconds: only for a command line that is right
    from eval.session import Session

_MOST_WARNINGS = 3  # of answers that cannot be read
START_EXAMPLES = 100  # of which it is seen how a task's inputs begin


@dataclass(frozen=True)
class RankedAnswer:
    """One of the answers to a text.

    Attributes:
        text: The answer.
        score: Of a label word, its log-probability among the label words; of beam search, an
            answer's over length ** length_penalty; of a sample, that of the model; NaN of others.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Answer:
    """What a run says to a text.

    Attributes:
        ranked: The answers that were asked for, the best first: one or more.
        probabilities: Of each label word among them, in the task's order; empty where the answer
            is no choice among label words.
    """

    ranked: Sequence[RankedAnswer]
    probabilities: Mapping[str, float]

    @property
    def text(self) -> str:
        """The best answer."""
        return self.ranked[0].text


class TextAnswerer:
    """Answers texts by one task of a run.

    Args:
        session: The open run.
        task: Its name.
        n_best: How many answers to a text, the best first; fewer where there are fewer.

    Attributes:
        asked: How many texts came before the next one; what is sampled depends on it.

    Raises:
        UsageError: The run has no such task, or a head answers it and the dataset does not say
            what its answers mean.
    """

    def __init__(self, session: Session, task: str, n_best: int = 1):
        self.session, self.n_best = session, n_best
        self.asked = self._unreadable = 0
        entry = session.manifest.tasks.get(task)
        if entry is None:
            if session.run.model.has_head(task):
                raise UsageError(
                    f"{session.dataset} does not know {task}, so nothing says what its head's "
                    "answers mean; give --dataset one that does"
                )
            length = session.run.settings.data.target_length
            entry = TaskEntry(task, "generation", (), (), (), length, 1, {})
        self.entry = entry

    @property
    def batch_size(self) -> int:
        """Texts that are answered at a time."""
        return self.session.evaluator.answerer.batch_size

    @property
    def is_choice(self) -> bool:
        """Whether answers are chosen among label words, and have a probability of each."""
        way = self.session.evaluator.answerer.way_of(self.entry)
        return way == "labels" or (way == "head" and bool(self.entry.label_words))

    def __call__(self, texts: Sequence[str]) -> list[Answer]:
        """Answer texts.

        Args:
            texts: Worded as the task's inputs are in its dataset; of a task with choices, those of
                all choices with `</s>` between them.

        Returns:
            An answer to each.

        Raises:
            UsageError: A text is empty or not of as many choices as the task has.
        """
        check_choices(texts, self.entry)
        table = table_of_texts(texts, self.session.vocabulary, self.asked)
        self.asked += len(texts)
        self._warn_of_cut(texts, table)
        answerer = self.session.evaluator.answerer
        decoding, way = answerer.decoding, answerer.way_of(self.entry)
        if way == "decoded" and (decoding.beams or decoding.sampling):
            ranked = self._rank_decoded(table)
            self._warn_of_unreadable([answer.text for answer in ranked])
            return ranked
        given = answerer.answer(self.entry, table)
        shares = given.probabilities
        if shares is None:
            self._warn_of_unreadable(given.texts)
            return [Answer([RankedAnswer(text, math.nan)], {}) for text in given.texts]
        return [self._rank_labels(row) for row in shares]

    def _rank_labels(self, shares_K: np.ndarray) -> Answer:
        words = self.entry.label_words
        best = np.argsort(-shares_K, kind="stable")[: self.n_best].tolist()
        with np.errstate(divide="ignore"):  # the logarithm of 0 is what it is
            scores = np.log(shares_K).tolist()
        ranked = [RankedAnswer(words[number], scores[number]) for number in best]
        return Answer(ranked, dict(zip(words, shares_K.tolist(), strict=True)))

    def _rank_decoded(self, table: TokenTable) -> list[Answer]:
        found = self.session.evaluator.answerer.predict_answers(self.entry, table)
        decode = self.session.vocabulary.decode
        if isinstance(found, np.ndarray):  # of a single token the search is no search
            return [Answer([RankedAnswer(decode(ids), math.nan)], {}) for ids in found]
        return [
            Answer(
                [
                    RankedAnswer(decode(ids), float(score))
                    for ids, score in zip(tokens, scores, strict=True)
                ],
                {},
            )
            for tokens, scores in zip(found.tokens, found.scores, strict=True)
        ]

    def _warn_of_cut(self, texts: Sequence[str], table: TokenTable) -> None:
        limit = self.session.evaluator.answerer.input_length
        lengths = table.text_lengths(self.entry.choices).reshape(len(texts), -1)
        for length, text in zip(lengths.max(-1).tolist(), texts, strict=True):
            if length > limit:
                what = f"cut from {length} to {limit} tokens: {text[:60]!r}…"
                print(f"warning: {what}", file=sys.stderr)

    def _warn_of_unreadable(self, texts: Sequence[str]) -> None:
        """Warn of the first answers that are not of the kind that the task asks for."""
        from eval.metrics.reading import are_readable

        readable = are_readable(self.entry, texts, self.session.vocabulary)
        asked = "one of its label words" if self.entry.label_words else "a number"
        for text, is_readable in zip(texts, readable, strict=True):
            self._unreadable += not is_readable
            if not is_readable and self._unreadable <= _MOST_WARNINGS:
                more = " (more are not shown)" * (self._unreadable == _MOST_WARNINGS)
                what = f"an answer to {self.entry.name} is {asked}, and this is none: {text[:40]!r}"
                print(f"warning: {what}{more}", file=sys.stderr)


def check_choices(texts: Sequence[str], entry: TaskEntry) -> None:
    """Make sure that inputs of a task with choices are those of all of them.

    Args:
        texts: The inputs.
        entry: Of the task.

    Raises:
        UsageError: One of them has more choices or fewer.
    """
    for text in texts if entry.choices else ():
        if (found := text.count(EOS_MARK) + 1) != entry.choices:
            raise UsageError(
                f"{entry.name} has {entry.choices} choices, to be given as so many texts with "
                f"{EOS_MARK} between them; {found} in {text[:40]!r}"
            )


def find_start(dataset: str, manifest: Manifest, task: str) -> str:
    """Find the words that all inputs of a task begin with: its name, or a question.

    Args:
        dataset: The dataset folder, of which some examples are read.
        manifest: Its manifest.
        task: The task.

    Returns:
        What up to a hundred examples have in common; empty if that is nothing, or if there is one
        example only.
    """
    splits = manifest.task(task).splits
    split = "train" if "train" in splits else next(iter(splits))
    vocabulary = read_vocabulary(dataset, manifest)
    return usual_start(read_split(dataset, manifest, task, split), vocabulary)


def usual_start(table: TokenTable, vocabulary: Vocabulary) -> str:
    """Find the words that all of some examples begin with.

    Args:
        table: Examples of the task.
        vocabulary: Of their dataset.

    Returns:
        As `find_start`.
    """
    inputs = [table.input_ids(row).tolist() for row in range(min(len(table), START_EXAMPLES))]
    if len(inputs) < 2:
        return ""
    same = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*inputs, strict=False))
    return vocabulary.decode(tokens[0] for tokens in same)


def table_of_texts(texts: Sequence[str], vocabulary: Vocabulary, first: int = 0) -> TokenTable:
    """Make a table of examples that have inputs and no targets.

    Args:
        texts: The inputs.
        vocabulary: Turns them into token ids.
        first: The number of the first.

    Returns:
        A table in the order of the texts.

    Raises:
        UsageError: A text is empty.
    """
    if any(map(is_blank, texts)):
        raise UsageError("a text is empty; give it the words to answer to")
    ids = [[*vocabulary.encode(text), vocabulary.eos_id] for text in texts]
    count = len(texts)
    return TokenTable(
        inputs=np.concatenate(ids).astype(np.uint32),
        input_offsets=np.cumsum([0, *map(len, ids)]),
        targets=np.zeros(0, np.uint32),
        target_offsets=np.zeros(count + 1, np.int64),
        labels=np.full(count, -1, np.int32),
        examples=np.arange(first, first + count),
    )
