"""Examples worth reading first: the worst answers, and the most confident of the wrong ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.report.page.judging import LABELS, NUMBERS, Judged

SHOWN = 5  # of each kind
_LONGEST = 500  # characters of an input


@dataclass(frozen=True)
class Example:
    """An answer to be read.

    Attributes:
        number: Row in the split.
        input: Its text, cut where it is long.
        target: The right answer; the first where there are several.
        others: How many other right answers there are.
        prediction: The given answer.
        measure: How sure or how wrong it is.
    """

    number: int
    input: str
    target: str
    others: int
    prediction: str
    measure: str


@dataclass(frozen=True)
class ExampleList:
    """Examples of one kind.

    Attributes:
        title: What they have in common.
        examples: The most striking first.
    """

    title: str
    examples: tuple[Example, ...]

    @property
    def is_measured(self) -> bool:
        """Whether it is told how sure or how wrong they are."""
        return all(example.measure for example in self.examples)


def choose_examples(judged: Judged) -> list[ExampleList]:
    """Choose the examples of a task that tell most of where it is wrong.

    Args:
        judged: Its answers.

    Returns:
        The worst by what is measured; of label words with probabilities the wrong ones that were
        most confident, and, of three words and more, those whose right word was least likely.
        Nothing where nothing is wrong.
    """
    if judged.form == NUMBERS:
        order = np.argsort(-judged.quality, kind="stable")
        worst = [row for row in order if judged.quality[row] > 0]
        return _list("Furthest off", judged, worst, "{:.3f} off", judged.quality)
    wrong = np.flatnonzero(~judged.is_right)
    if judged.form == LABELS:
        if not judged.has_confidences:
            return _list("Wrong, the first rows", judged, list(wrong), "", judged.quality)
        order = np.argsort(-judged.confidences[wrong], kind="stable")
        sure = judged.confidences
        chosen = _list("Most confidently wrong", judged, wrong[order], "confidence {:.3f}", sure)
        if len(judged.label_words) > 2:
            right = np.array([_share_of_target(line) for line in judged.lines])
            order = np.argsort(right[wrong], kind="stable")
            said = "right answer {:.3g}"
            chosen += _list("Right answer least likely", judged, wrong[order], said, right)
        return chosen
    order = np.argsort(judged.quality[wrong], kind="stable")
    return _list("Least like a right answer", judged, wrong[order], "F1 {:.3f}", judged.quality)


def _share_of_target(line: Mapping[str, Any]) -> float:
    return float(line["probabilities"].get(line["target"], 0.0))


def _list(
    title: str, judged: Judged, rows: Any, said: str, values: np.ndarray
) -> list[ExampleList]:
    examples = tuple(
        make_example(judged.lines[row], said.format(values[row])) for row in rows[:SHOWN]
    )
    return [ExampleList(title, examples)] if examples else []


def make_example(line: Mapping[str, Any], measure: str) -> Example:
    """Make what is read of a line of predictions."""
    return Example(
        line["example"],
        cut(line["input"], _LONGEST),
        line["target"],
        max(len(line.get("references", ())) - 1, 0),
        line["prediction"],
        measure,
    )


def cut(text: str, most: int) -> str:
    """Cut a text that has more characters; a mark at its end says so."""
    return text if len(text) <= most else text[: most - 1] + "…"
