"""Answers of heads on the encoder: one pass, no decoding, and a few numbers to bring back.

Shape letters: B batch, C choices, S source length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel
from adapters_tf.model.heads import HeadOf
from prep import TaskEntry, UsageError


class HeadModel(tf_keras.Model):
    """The scores of a task's head.

    Args:
        model: The model to ask.
    """

    def __init__(self, model: TaskModel):
        super().__init__(name="head_model")
        self.model = model
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Score classes or choices, or compute a number.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] or [B, C, S], and `task` int32 [B].
            training: Ignored; there is no dropout in evaluation.

        Returns:
            float32 [B, C], as `TaskModel.answer`.
        """
        return self.model.answer(batch, training=False)


def write_answers(head: HeadOf, scores: np.ndarray, label_words: Sequence[str]) -> list[str]:
    """Turn the scores of a head into the texts of its answers.

    Args:
        head: Of the task.
        scores: float32 [examples, C], from `HeadModel`.
        label_words: Of the task, in the order of its classes or choices.

    Returns:
        Label words, or numbers to seven digits.
    """
    if head.kind == "regression":
        return [f"{number:.7g}" for number in scores[:, 0].tolist()]
    best = scores[:, : head.answers].argmax(-1)
    return [label_words[index] for index in best.tolist()]


def check_head(head: HeadOf, entry: TaskEntry) -> None:
    """Make sure that a head answers what a dataset asks.

    Args:
        head: Of the task.
        entry: Of the task, in the dataset.

    Raises:
        UsageError: It has other classes, or is of another kind.
    """
    expected = 1 if head.kind == "regression" else len(entry.label_words)
    if (entry.choices, expected) != (head.choices, head.answers):
        raise UsageError(
            f"task {entry.name!r}: the head was trained to give {head.answers} answers of kind "
            f"{head.kind}, and the dataset's task is another; evaluate on one built alike"
        )
    for number, (ours, theirs) in enumerate(zip(head.words, entry.label_words, strict=False)):
        if ours != theirs:
            raise UsageError(
                f"task {entry.name!r}: class {number} of the head is {ours!r}, and of the "
                f"dataset's {theirs!r}; evaluate on one with the same labels in the same order"
            )
