"""The programs that answer token ids in an exported model; tasks that are answered alike share one.

What `eval.decoding` answers, with the texts and the scores inside the program as well.

Shape letters: B batch, C choices, S source length, T target length, K label words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.model.forward import Batch
from adapters_tf.model.stored_matrices import StoredMatrix, held
from eval.decoding.answerer import answer_length, have_words, make_decoder, row_of
from eval.decoding.beam import BeamModel
from eval.decoding.heads import HeadModel, check_head
from eval.decoding.labels import (
    NEVER,
    LabelTextModel,
    LabelTexts,
    LabelWordModel,
)
from eval.decoding.options import Decoding
from eval.serving.texts import TextVocabulary
from prep import TaskEntry

_NUMBER_DIGITS = 7  # of a regression's answer, as `eval.decoding.heads.write_answers`


class TaskAnswers(NamedTuple):
    """Answers to texts.

    Attributes:
        answer: Strings [B].
        score: float32 [B]: of a choice among label words its log-probability among them; of a
            number the number; of decoded answers the log-probability of their tokens, with beams
            divided by length ** length_penalty.
        probabilities: float32 [B, K] of the label words, 0 where there are none.
    """

    answer: tf.Tensor
    score: tf.Tensor
    probabilities: tf.Tensor


@dataclass(frozen=True)
class ServedTask:
    """A task of an exported model.

    Attributes:
        entry: Of the task.
        row: Of the model's bank.
        way: `head`, `labels` or `decoded`.
        limit: Tokens of an input, EOS included, that a dataset would keep.
    """

    entry: TaskEntry
    row: int
    way: str
    limit: int


class Key(NamedTuple):
    """What sets a program apart from others.

    Attributes:
        way: `head`, `labels` or `decoded`.
        size: Choices of a head; tokens of all label words, 1 where each is a token of its own; the
            most tokens to decode.
    """

    way: str
    size: int


class Programs:
    """What answers the tasks of an exported model.

    Args:
        model: The model to ask.
        tasks: That it shall answer.
        vocabulary: Of the programs.
        decoding: How answers are found.
        matrices: What stands for the model's own.

    Attributes:
        keys: By task, which program answers it.
        has_words: Whether any task is answered with label words.
        most_words: K, at least 1.

    Raises:
        UsageError: A task is none of the model's, or its head another one of that name.
    """

    def __init__(
        self,
        model: TaskModel,
        tasks: Sequence[ServedTask],
        vocabulary: TextVocabulary,
        decoding: Decoding,
        matrices: Sequence[StoredMatrix] = (),
    ):
        self.model, self.tasks, self.vocabulary = model, tuple(tasks), vocabulary
        self.decoding, self.matrices = decoding, matrices
        chosen = [task for task in tasks if task.way != "decoded"]
        counts = [len(task.entry.label_words) for task in chosen]
        self.has_words = any(counts)
        self.most_words = max(1, *counts) if counts else 1
        self.keys = [self._key_of(task) for task in tasks]
        self.words = tf.constant([self._pad_words(task) for task in tasks], tf.string)
        self._programs: dict[Key, Callable[..., TaskAnswers]] = {}
        words = [len(task.entry.label_words) for task in tasks]
        self._has_word = np.arange(self.most_words) < np.array(words)[:, None]

    @staticmethod
    def choices_of(key: Key) -> int:
        """Count the texts of each example of a program; 0 where they are one text."""
        return key.size if key.way == "head" else 0

    def answer(self, key: Key, tokens: tf.Tensor, number_B: tf.Tensor) -> TaskAnswers:
        """Answer token ids of the tasks that share a program.

        Args:
            key: Of the program.
            tokens: int32 [B, S], or [B, C, S].
            number_B: int32 [B], places in `tasks`; all equal unless the model routes by example.

        Returns:
            The answers.
        """
        if key not in self._programs:
            self._programs[key] = self._make(key)
        rows = tf.constant([task.row for task in self.tasks], tf.int32)
        batch = {"encoder_input_tokens": tokens, "task": tf.gather(rows, number_B)}
        with held(self.matrices):
            return self._programs[key](batch, number_B)

    def _key_of(self, task: ServedTask) -> Key:
        """Name the program that answers a task by what sets it apart."""
        entry = task.entry
        if task.way == "head":
            assert self.model.heads is not None
            check_head(self.model.heads.tasks[entry.name], entry)
            return Key(task.way, entry.choices)
        row_of(self.model, entry)
        if task.way == "decoded":
            return Key(task.way, answer_length(entry))
        if have_words(entry.label_token_ids):
            return Key(task.way, 1)
        return Key(task.way, max(len(one.tokens) for one in self._lay_out(entry)))

    def _make(self, key: Key) -> Callable[[Batch, tf.Tensor], TaskAnswers]:
        """Make a program as a function of a batch and the places of its tasks."""
        if key.way == "head":
            return self._answer_by_head()
        if key.way == "labels":
            return self._choose_word() if key.size == 1 else self._choose_text(key)
        return self._decode(key.size)

    def _choose(self, scores_BK: tf.Tensor, number_B: tf.Tensor) -> TaskAnswers:
        """Choose the likeliest label words by their scores, of which there may be too many."""
        K = self.most_words
        has_word = tf.gather(tf.constant(self._has_word), number_B)
        padding = [[0, 0], [0, max(K - scores_BK.shape[1], 0)]]
        scores_BK = tf.where(has_word, tf.pad(scores_BK[:, :K], padding), NEVER)
        best_B = tf.argmax(scores_BK, -1, output_type=tf.int32)
        shares_BK = tf.nn.log_softmax(scores_BK)
        words_BK = tf.gather(self.words, number_B)
        return TaskAnswers(
            tf.gather(words_BK, best_B, batch_dims=1),
            tf.reduce_max(shares_BK, -1),
            tf.where(has_word, tf.exp(shares_BK), 0.0),
        )

    def _answer_by_head(self) -> Callable[[Batch, tf.Tensor], TaskAnswers]:
        model = HeadModel(self.model)
        is_number = tf.constant([task.entry.kind == "regression" for task in self.tasks])

        def run(batch: Batch, number_B: tf.Tensor) -> TaskAnswers:
            found = model(batch, training=False)
            number = found[:, 0]
            text = tf.strings.as_string(number, precision=_NUMBER_DIGITS, shortest=True)
            chosen = self._choose(found, number_B)
            is_number_B = tf.gather(is_number, number_B)
            return TaskAnswers(
                tf.where(is_number_B, text, chosen.answer),
                tf.where(is_number_B, number, chosen.score),
                chosen.probabilities,
            )

        return run

    def _choose_word(self) -> Callable[[Batch, tf.Tensor], TaskAnswers]:
        model = LabelWordModel(self.model)
        tokens = np.zeros((len(self.tasks), self.most_words), np.int32)
        for row, task in zip(tokens, self.tasks, strict=True):
            if task.way == "labels" and have_words(task.entry.label_token_ids):
                row[: len(task.entry.label_words)] = [ids[0] for ids in task.entry.label_token_ids]

        def run(batch: Batch, number_B: tf.Tensor) -> TaskAnswers:
            words_BK = tf.gather(tf.constant(tokens), number_B)
            scores_BK = model({**batch, "label_tokens": words_BK}, training=False)
            return self._choose(scores_BK, number_B)

        return run

    def _choose_text(self, key: Key) -> Callable[[Batch, tf.Tensor], TaskAnswers]:
        """Score label words of several tokens, one or all of them in a decoder pass."""
        model, length = LabelTextModel(self.model), key.size
        passes = 1 if self.model.reads_several_targets() else self.most_words
        tokens = np.zeros((passes, len(self.tasks), length), np.int32)
        numbers = np.zeros_like(tokens)
        weights = np.zeros((passes, len(self.tasks), length, self.most_words), np.float32)
        for place, task in enumerate(self.tasks):
            if self.keys[place] != key:
                continue
            for turn, texts in enumerate(self._lay_out(task.entry)):
                some = slice(len(texts.tokens))
                tokens[turn, place, some], numbers[turn, place, some] = texts.tokens, texts.numbers
                found = texts.add_up(
                    np.eye(length, dtype=np.float32)[some, some], per_token=self.decoding.per_token
                )
                weights[turn, place, some, turn : turn + found.shape[1]] = found

        def run(batch: Batch, number_B: tf.Tensor) -> TaskAnswers:
            total_BK = tf.zeros([tf.shape(number_B)[0], self.most_words])
            for turn in range(passes):
                given = (tf.gather(tf.constant(one[turn]), number_B) for one in (tokens, numbers))
                asked = dict(zip(("label_tokens", "label_numbers"), given, strict=True))
                scores_BT = model({**batch, **asked}, training=False)
                weights_BTK = tf.gather(tf.constant(weights[turn]), number_B)
                total_BK += tf.einsum("bt,btk->bk", scores_BT, weights_BTK)
            return self._choose(total_BK, number_B)

        return run

    def _decode(self, length: int) -> Callable[[Batch, tf.Tensor], TaskAnswers]:
        model = make_decoder(self.model, length, self.decoding)

        def run(batch: Batch, number_B: tf.Tensor) -> TaskAnswers:
            if isinstance(model, BeamModel):
                found = model(batch, training=False)
                tokens_BT, score_B = found.tokens[:, 0], found.scores[:, 0]
            else:
                tokens_BT, score_B = model.decode_and_score(batch)
            nothing = tf.zeros([tf.shape(number_B)[0], self.most_words])
            return TaskAnswers(self.vocabulary.decode(tokens_BT), score_B, nothing)

        return run

    def _lay_out(self, entry: TaskEntry) -> list[LabelTexts]:
        """Lay out label words of several tokens, for one decoder pass or one for each word."""
        words = entry.label_token_ids
        is_one = self.model.reads_several_targets()
        return [LabelTexts.of(words)] if is_one else [LabelTexts.of([ids]) for ids in words]

    def _pad_words(self, task: ServedTask) -> list[str]:
        """Fill up the label words of a task to K; of one that decodes there are none."""
        words = () if task.way == "decoded" else task.entry.label_words
        return [*words, *[""] * (self.most_words - len(words))]
