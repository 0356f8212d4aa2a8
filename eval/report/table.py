"""The table on the screen: one line per task and metric."""

from dataclasses import dataclass

from eval.evaluator import TaskResult
from eval.metrics.tokenizers import ROUGE_SCORE
from prep import TaskEntry, TokenTable

USUAL_WORDS = (ROUGE_SCORE, "13a")


@dataclass(frozen=True)
class ScoredTask:
    """A task's result beside what it is compared with.

    Attributes:
        entry: The task.
        table: The examples that were scored.
        result: Figures and predictions.
        baseline: Figures of the trivial answer; None without a training split to take it from.
    """

    entry: TaskEntry
    table: TokenTable
    result: TaskResult
    baseline: dict[str, float] | None


def format_table(scored: list[ScoredTask]) -> str:
    """Make one line per task and metric: the score and the trivial baseline's.

    Args:
        scored: The tasks in the order to show them.

    Returns:
        Lines of aligned columns, and a line for every figure that counts other words than
        published ones of English do.
    """
    rows = [("task", "kind", "examples", "metric", "score", "trivial")]
    for task in scored:
        for name, value in task.result.metrics.items():
            trivial = f"{task.baseline[name]:.4f}" if task.baseline is not None else "-"
            examples = f"{task.result.examples:,}"
            rows.append((task.entry.name, task.entry.kind, examples, name, f"{value:.4f}", trivial))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    is_number = (False, False, True, False, True, True)
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *_notes(scored)])


def _notes(scored: list[ScoredTask]) -> list[str]:
    """Name the words that figures count, where they are not the usual ones."""
    return [
        f"{task.entry.name}: {metric} counts words of {words!r}"
        for task in scored
        for metric, words in task.result.words.items()
        if words not in USUAL_WORDS
    ]
