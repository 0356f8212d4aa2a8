"""Texts to what metrics compare: label indices, numbers, or the texts themselves.

A text that is no label word becomes −1, and one that is no number becomes −1.0, as in T5's own
post-processing (Raffel et al. 2020, `t5.data.postprocessors`): an answer that can't be read is a
wrong answer, never a dropped one.
"""

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from prep import TaskEntry

NOT_A_LABEL = -1
NOT_A_NUMBER = -1.0


def read_answers(entry: TaskEntry, texts: Sequence[str]) -> list[Any]:
    """Read texts as answers of a task.

    Args:
        entry: The task.
        texts: Decoded targets or predictions.

    Returns:
        Indices of label words where the task has them, numbers for a regression, else the texts.
    """
    if entry.label_words:
        return [read_label(text, entry.label_words) for text in texts]
    if entry.kind == "regression":
        return [read_number(text) for text in texts]
    return [read_text(text) for text in texts]


def read_text(text: str) -> str:
    """Normalize a text as SentencePiece does: NFKC, single blanks.

    A model writes pieces of its vocabulary, so it can only ever write normalized text.
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def read_label(text: str, label_words: Sequence[str]) -> int:
    """Find the index of a label word; −1 for any other text."""
    words = [word.strip() for word in label_words]
    return words.index(text.strip()) if text.strip() in words else NOT_A_LABEL


def read_number(text: str) -> float:
    """Read the number a text states; −1.0 if it states none (or no finite one)."""
    number = _number_in(text)
    return NOT_A_NUMBER if number is None else number


def are_readable(entry: TaskEntry, texts: Sequence[str]) -> np.ndarray:
    """Tell which texts are answers of the kind that a task asks for.

    The values of `read_answers` do not tell: a regression may rightly be answered with −1.0.

    Args:
        entry: The task.
        texts: Decoded predictions.

    Returns:
        bool [texts]; free text is always readable.
    """
    if entry.label_words:
        return np.array([read_label(text, entry.label_words) != NOT_A_LABEL for text in texts])
    if entry.kind == "regression":
        return np.array([_number_in(text) is not None for text in texts])
    return np.ones(len(texts), bool)


def _number_in(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
