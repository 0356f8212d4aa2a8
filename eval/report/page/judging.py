"""Which answers are right, how good each is and how sure, told from the lines of predictions.

Neither dataset nor vocabulary is asked: texts are compared after NFKC and with single blanks, which
is nearly what T5's vocabulary makes of them. Where that counts otherwise than the figure does, it
is said.

Shape letters: N examples, K label words.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metrics.answers import Answers, pair_answers
from eval.metrics.reading import find_number, read_number
from eval.metrics.texts import squad_em, squad_f1, trivia_em, trivia_f1

LABELS, NUMBERS, TEXTS = "labels", "numbers", "texts"
_COUNTED = ("accuracy", "exact_match", "squad_em", "trivia_em")
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Judged:
    """The answers of one run to one task.

    Attributes:
        form: Of the answers: `labels`, `numbers` or `texts`.
        lines: Of the file of predictions, N.
        is_right: Bool [N]; of numbers, whether one was given that is no further off than the
            targets' standard deviation.
        quality: Float [N], 1 or 0 of labels; of texts the F1 of words shared with the right answer
            that fits best; of numbers the absolute error, of which less is better.
        confidences: Float [N], of the likeliest label word; NaN without probabilities.
        label_words: Of the task; empty for numbers and texts.
        note: What a reader has to know of the counting, if anything.
    """

    form: str
    lines: Sequence[Mapping[str, Any]]
    is_right: np.ndarray
    quality: np.ndarray
    confidences: np.ndarray
    label_words: tuple[str, ...] = ()
    note: str = ""

    @property
    def has_confidences(self) -> bool:
        """Whether there are probabilities."""
        return bool(len(self.lines)) and not np.isnan(self.confidences).any()


def judge(figures: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Judged:
    """Judge the answers to a task.

    Args:
        figures: What `<split>.json` says of it.
        lines: Of the file of predictions.

    Returns:
        The answers, judged.
    """
    confidences = np.array([_confidence(line) for line in lines], np.float64)
    if figures["kind"] == "regression":
        errors = np.abs(read_numbers(lines, "target") - read_numbers(lines, "prediction"))
        states_number = np.array([find_number(line["prediction"]) is not None for line in lines])
        is_near = states_number & (errors <= np.std(read_numbers(lines, "target")))
        return Judged(NUMBERS, lines, is_near, errors, confidences)
    words = find_label_words(figures, lines)
    answers = _pair(lines)
    is_right = answers.are_right
    main = next(iter(figures["metrics"]), "")
    equal, alike = (trivia_em, trivia_f1) if main.startswith("trivia") else (squad_em, squad_f1)
    if main.startswith(("squad", "trivia")) and not words:
        is_right = equal.values(answers) == 1
    note = _differs(main, figures, is_right)
    if words:
        return Judged(LABELS, lines, is_right, is_right.astype(float), confidences, words, note)
    return Judged(TEXTS, lines, is_right, alike.values(answers), confidences, (), note)


def find_label_words(
    figures: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Find the label words of a task.

    Args:
        figures: What `<split>.json` says of it; of earlier versions without `label_words`.
        lines: Of the file of predictions.

    Returns:
        Those of the figures, or of the probabilities; else, of classifications and choices, the
        different right answers in the order of the alphabet.
    """
    if "label_words" in figures:
        return tuple(figures["label_words"])
    if lines and "probabilities" in lines[0]:
        return tuple(lines[0]["probabilities"])
    if figures["kind"] in ("classification", "multiple_choice"):
        return tuple(sorted({line["target"] for line in lines}))
    return ()


def read_numbers(lines: Sequence[Mapping[str, Any]], field: str) -> np.ndarray:
    """Read a field as numbers, float [N]; −1 where it states none, as the figures have it."""
    return np.array([read_number(line[field]) for line in lines], np.float64)


def plain(text: str) -> str:
    """Write a text in Unicode's NFKC and with single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _pair(lines: Sequence[Mapping[str, Any]]) -> Answers:
    targets = [plain(line["target"]) for line in lines]
    references = [
        tuple(map(plain, line["references"])) if "references" in line else (target,)
        for line, target in zip(lines, targets, strict=True)
    ]
    return pair_answers(targets, [plain(line["prediction"]) for line in lines], 0, references)


def _confidence(line: Mapping[str, Any]) -> float:
    shares = line.get("probabilities")
    return max(shares.values()) if shares else math.nan


def _differs(main: str, figures: Mapping[str, Any], is_right: np.ndarray) -> str:
    if main not in _COUNTED:
        return ""
    share, figure = float(np.mean(is_right)), figures["metrics"][main]
    if abs(share - figure) <= _TOLERANCE:
        return ""
    return (
        f"{main} is {figure:.4f}, and of the texts {share:.4f} are counted as right here: the "
        "figure is of texts as the vocabulary writes them"
    )
