"""The table on the screen: one line per task and metric."""

import textwrap
from collections.abc import Iterable, Sequence

from eval.metrics.intervals import tell_unvaried
from eval.metrics.tokenizers import ROUGE_SCORE
from eval.report.scored_task import ScoredTask

_BLEU_WORDS = "13a"  # as figures are published with
_WIDTH = 80
_LEAST_NAME = 12  # characters of a task's name that are always shown
_HEADING = ("task", "examples", "metric", "score", "95% interval", "s.e.", "trivial")
_IS_NUMBER = (False, True, False, True, True, True, True)
# An answer that cannot be read, by kind of task: how it is scored.
_RULES = {"regression": "counts as −1"}


def format_table(scored: list[ScoredTask]) -> str:
    """Make one line per task and metric: score, interval, standard error, the trivial baseline's.

    Args:
        scored: The tasks in the order to show them.

    Returns:
        Lines of aligned columns, at most 80 wide where the figures allow; then a line for every
        figure that counts other words than published ones of English do, for answers that could
        not be read, and for figures that cannot judge.
    """
    rows: list[tuple[str, ...]] = [_HEADING]
    for task in scored:
        for name, value in task.result.metrics.items():
            trivial = f"{task.baseline[name]:.4f}" if task.baseline is not None else "-"
            interval = task.intervals.get(name)
            rows.append(
                (
                    task.entry.name,
                    f"{task.result.examples:,}",
                    name,
                    f"{value:.4f}",
                    f"{interval.low:.3f}–{interval.high:.3f}" if interval else "-",
                    f"{interval.standard_error:.3f}" if interval else "-",
                    trivial,
                )
            )
    return "\n".join([*align_columns(rows, _IS_NUMBER), *_notes(scored)])


def align_columns(rows: Sequence[Sequence[str]], is_number: Sequence[bool]) -> list[str]:
    """Write rows with their columns under each other, the first cut where there is no room.

    Args:
        rows: Cells, of as many columns each.
        is_number: By column: written to the right.

    Returns:
        A line for each.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = _WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, _LEAST_NAME))
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(
                (_cut(row[0], widths[0]), *row[1:]), widths, is_number, strict=True
            )
        ).rstrip()
        for row in rows
    ]


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _notes(scored: Sequence[ScoredTask]) -> list[str]:
    """Say what a reader of the figures has to know."""
    notes = []
    for task in scored:
        by_words: dict[str, list[str]] = {}
        for metric, words in task.result.words.items():
            if words != _BLEU_WORDS and not words.startswith(ROUGE_SCORE):
                by_words.setdefault(words, []).append(metric)
        notes += [
            f"{task.entry.name}: {', '.join(metrics)} count{'s' * (len(metrics) == 1)} words of"
            f" {words!r}"
            for words, metrics in by_words.items()
        ]
        if task.result.unreadable:
            count = f"{task.result.unreadable:,} of {task.result.examples:,} answers"
            rule = _RULES.get(task.entry.kind, "counts as wrong")
            notes.append(f"{task.entry.name}: {count} could not be read; each {rule}")
        notes += [
            f"{task.entry.name}: {metric} cannot judge: {why}"
            for metric, why in task.unjudged.items()
        ]
    notes += _unvaried_notes(scored)
    return [line for note in notes for line in textwrap.wrap(note, _WIDTH, subsequent_indent="  ")]


def _unvaried_notes(scored: Iterable[ScoredTask]) -> list[str]:
    """Say it once of all tasks with as many examples."""
    alike: dict[float, list[ScoredTask]] = {}
    for task in scored:
        for share in set(task.unvaried.values()):
            alike.setdefault(share, []).append(task)
    notes = []
    for share, tasks in alike.items():
        names = ", ".join(task.entry.name for task in tasks)
        figures = dict.fromkeys(name for task in tasks for name in task.unvaried)
        notes.append(f"{names}: {tell_unvaried(figures, share)}")
    return notes
