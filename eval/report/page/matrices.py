"""Shaded tables of numbers: which labels are taken for which, and which tasks are alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST_LABELS = 40
_MOST_SAID = 5  # given answers, in a sentence
NEITHER, OTHERS = "none of them", "other labels"


@dataclass(frozen=True)
class Cell:
    """A number of a table.

    Attributes:
        text: The number.
        shade: From 0 to 1.
        is_on_diagonal: Whether row and column are the same.
    """

    text: str
    shade: float
    is_on_diagonal: bool = False


@dataclass(frozen=True)
class Matrix:
    """A table of numbers.

    Attributes:
        title: What it shows.
        caption: How to read it.
        corner: What rows and columns are.
        columns: Names.
        rows: Name and cells of each.
    """

    title: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def count_confusions(
    targets: Sequence[str], given: Sequence[str], words: Sequence[str], most: int = MOST_LABELS
) -> Matrix:
    """Count which label was answered with which.

    Args:
        targets: Right answers.
        given: Answers.
        words: Label words, in order.
        most: Beyond so many, the rarest right answers are counted together.

    Returns:
        A row per right answer, a column per given one; a last column for answers that are no label
        word, if there are such. A cell is shaded by its share of the row.
    """
    known = set(words)
    frequent, others = known, []
    if len(words) > most:
        frequent, others = {word for word, _ in Counter(targets).most_common(most)}, [OTHERS]
    names = [*(word for word in words if word in frequent), *others]

    def name_of(text: str) -> str:
        if text not in known:
            return NEITHER
        return text if text in frequent else OTHERS

    pairs = Counter(
        (name_of(right), name_of(answer)) for right, answer in zip(targets, given, strict=True)
    )
    columns = [*names, NEITHER] if any(answer == NEITHER for _, answer in pairs) else names
    rows = []
    for right in names:
        total = sum(pairs[right, answer] for answer in columns)
        cells = (
            Cell(
                f"{pairs[right, answer]:,}",
                pairs[right, answer] / total if total else 0.0,
                right == answer and right != OTHERS,
            )
            for answer in columns
        )
        rows.append((right, tuple(cells)))
    caption = "Rows are right answers, columns given ones; shaded by share of the row."
    if len(words) > most:
        caption += f" Of {len(words)} labels the {most} most frequent have rows of their own."
    return Matrix("Confusions", caption, "right ↓ given →", tuple(columns), tuple(rows))


def say_confusions(targets: Sequence[str], given: Sequence[str]) -> str:
    """Say the confusions of a single label, whose table would be one row.

    Args:
        targets: Right answers, one or more.
        given: Answers.

    Returns:
        A sentence; empty where there are different right answers, and so something to confuse.
    """
    if len(set(targets)) > 1:
        return ""
    counts = Counter(given).most_common()
    shown = ", ".join(f"{word or 'nothing'} ({count:,})" for word, count in counts[:_MOST_SAID])
    more = f" and {len(counts) - _MOST_SAID} more" if len(counts) > _MOST_SAID else ""
    return f"the right answer is always {targets[0]}; given are {shown}{more}."


def list_confusions(
    targets: Sequence[str], given: Sequence[str], most: int = 10
) -> list[tuple[str, str, int]]:
    """List the wrong pairs that come up most often.

    Args:
        targets: Right answers.
        given: Answers.
        most: How many to list.

    Returns:
        Right answer, given one and how often.
    """
    pairs = Counter(pair for pair in zip(targets, given, strict=True) if pair[0] != pair[1])
    return [(right, answer, count) for (right, answer), count in pairs.most_common(most)]


def show_similarity(names: Sequence[str], cosines: Sequence[Sequence[float]]) -> Matrix:
    """Show how alike tasks are.

    Args:
        names: K tasks.
        cosines: Of their embeddings, [K][K].

    Returns:
        A table of cosines, shaded from the least to the most between two different tasks.
    """
    apart = [
        cosines[row][column]
        for row in range(len(names))
        for column in range(len(names))
        if row != column
    ]
    low, high = min(apart), max(apart)

    def shade(value: float) -> float:
        return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5

    rows = tuple(
        (
            name,
            tuple(
                Cell(f"{value:.2f}".replace("-", "−"), shade(value), row == column)
                for column, value in enumerate(cosines[row])
            ),
        )
        for row, name in enumerate(names)
    )
    return Matrix("Tasks that are alike", "Cosines of task embeddings.", "", tuple(names), rows)
