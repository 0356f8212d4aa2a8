"""Texts to what metrics compare: label indices, numbers, or the texts themselves.

A text that is no label word becomes −1, and one that is no number becomes −1.0, as in T5's own
post-processing (Raffel et al. 2020, `t5.data.postprocessors`): an answer that can't be read is a
wrong answer, never a dropped one.

A model writes pieces of its vocabulary, and so can only ever write what that vocabulary's own
normalization leaves of a text: label words and texts are compared after it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from prep import TaskEntry, Vocabulary

NOT_A_LABEL = -1
NOT_A_NUMBER = -1.0


def read_answers(entry: TaskEntry, texts: Sequence[str], vocabulary: Vocabulary) -> list[Any]:
    """Read texts as answers of a task.

    Args:
        entry: The task.
        texts: Decoded targets or predictions.
        vocabulary: Of the dataset.

    Returns:
        Indices of label words where the task has them, numbers for a regression, else the texts.
    """
    if entry.label_words:
        return read_labels(texts, entry.label_words, vocabulary)
    if entry.kind == "regression":
        return [read_number(text) for text in texts]
    return [read_text(text, vocabulary) for text in texts]


def read_text(text: str, vocabulary: Vocabulary) -> str:
    """Normalize a text as a vocabulary does; blanks become single ones."""
    return " ".join(vocabulary.normalize(text).split())


def read_labels(
    texts: Sequence[str], label_words: Sequence[str], vocabulary: Vocabulary
) -> list[int]:
    """Find the index of each text among the label words; −1 for any other text."""
    indices: dict[str, int] = {}
    for index, word in enumerate(label_words):
        indices.setdefault(read_text(word, vocabulary), index)
    return [indices.get(read_text(text, vocabulary), NOT_A_LABEL) for text in texts]


def read_number(text: str) -> float:
    """Read the number a text states; −1.0 if it states none (or no finite one)."""
    number = find_number(text)
    return NOT_A_NUMBER if number is None else number


def are_readable(entry: TaskEntry, texts: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """Tell which texts are answers of the kind that a task asks for.

    The values of `read_answers` do not tell: a regression may rightly be answered with −1.0.

    Args:
        entry: The task.
        texts: Decoded predictions.
        vocabulary: Of the dataset.

    Returns:
        bool [texts]; free text is always readable.
    """
    if entry.label_words:
        return np.array(read_labels(texts, entry.label_words, vocabulary)) != NOT_A_LABEL
    if entry.kind == "regression":
        return np.array([find_number(text) is not None for text in texts])
    return np.ones(len(texts), bool)


def find_number(text: str) -> float | None:
    """Find the number a text states; None if it states none, or no finite one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
