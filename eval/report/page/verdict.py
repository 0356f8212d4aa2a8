"""The sentences that a report opens with."""

from collections.abc import Mapping

from eval.report.current import name_command
from eval.report.page.report_data import MetricRow, Report, Score

FEW_EXAMPLES = 10  # with fewer a single answer moves an accuracy by a tenth and more


def give_verdict(report: Report) -> list[str]:
    """Say how it went.

    Args:
        report: All that is known.

    Returns:
        Sentences: which run was trained on since it was scored; the mean; which tasks are clearly
        better than the trivial answer, and which are not, of those with enough examples; of two
        runs, which is ahead where; which tasks have few examples.
    """
    earlier = [
        f"Not of {name} as it is now: {run.change}; {name_command(run.name, run.document)} scores "
        "it anew."
        for name, run in zip(report.names, report.runs, strict=True)
        if run.change
    ]
    few = tell_few({task.name: task.examples for task in report.tasks})
    said = _compare(report) if len(report.runs) > 1 else _judge(report)
    return [*earlier, *said, *([f"{few}."] if few else ())]


def tell_few(examples: Mapping[str, int]) -> str:
    """Say which tasks have too few examples for their figures to be more than chance.

    Args:
        examples: That were scored, by task.

    Returns:
        A sentence without its point; empty where there are enough.
    """
    few = [f"{task} ({count})" for task, count in examples.items() if count < FEW_EXAMPLES]
    return f"Too few examples to judge by: {', '.join(few)}" if few else ""


def write_score(score: Score, places: int = 3) -> str:
    """Write a figure with its interval, such as "0.712 (0.690 to 0.731)"."""
    text = _write(score.value, places)
    if score.low is None or score.high is None:
        return text
    return f"{text} ({_write(score.low, places)} to {_write(score.high, places)})"


def write_trivial(row: MetricRow, places: int = 3) -> str:
    """Write the trivial answer's figure, the same of all runs; "–" where none is known."""
    baseline = row.scores[0].baseline
    return "–" if baseline is None else _write(baseline, places)


def write_difference(value: float) -> str:
    """Write a difference with its sign, such as "+0.012"."""
    return f"{value:+.3f}".replace("-", "−")


def _write(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def _judge(report: Report) -> list[str]:
    said = [_say_mean(report)]
    above: dict[bool | None, list[str]] = {}
    for task in report.tasks:
        if task.examples < FEW_EXAMPLES:
            continue  # said apart: a single right answer is not clearly better
        above.setdefault(task.main.scores[0].is_above_baseline, []).append(task.name)
    words = (
        (True, "Clearly better than the trivial answer"),
        (False, "Not clearly better than the trivial answer"),
        (None, "Without a trivial answer or an interval to compare with"),
    )
    said += [f"{text}: {', '.join(above[key])}." for key, text in words if key in above]
    return said


def _say_mean(report: Report) -> str:
    if len(report.tasks) == 1:
        (task,) = report.tasks
        return f"{task.name}: {task.main.metric} {write_score(task.main.scores[0])}."
    count = len(report.tasks)
    return f"The mean of the main figures of {count} tasks is {write_score(report.mean.scores[0])}."


def _compare(report: Report) -> list[str]:
    names = report.names
    what = "On the mean" if len(report.tasks) > 1 else "On the main figure"
    said = [f"{what}, {_lead(report)}."]
    ahead: dict[str, list[str]] = {name: [] for name in (*names, "")}
    for task in report.tasks:
        ahead[_leader(task.main, names)].append(task.name)
    said += [f"{name} is ahead on {', '.join(ahead[name])}." for name in names if ahead[name]]
    if ahead[""]:
        said.append(f"Equal on {', '.join(ahead[''])}.")
    said.append(
        "Whether a difference is more than chance is told by python -m eval compare, which scores "
        "both on the same resamples."
    )
    return said


def _leader(row: MetricRow, names: tuple[str, ...]) -> str:
    difference = row.difference or 0.0
    return "" if difference == 0 else names[(difference > 0) != row.is_error]


def _lead(report: Report) -> str:
    first, second = report.mean.scores
    leader = _leader(report.mean, report.names)
    figures = f"{write_score(first)} and {write_score(second)}"
    if not leader:
        return f"both runs are equal: {figures}"
    apart = _write(abs(second.value - first.value), 3)
    is_little = _holds(first, second) and _holds(second, first)
    within = ", which lies within both intervals" if is_little else ""
    return f"{leader} is ahead by {apart}{within}: {figures}"


def _holds(score: Score, other: Score) -> bool:
    """Tell whether a figure's interval holds another figure."""
    if score.low is None or score.high is None:
        return False
    return score.low <= other.value <= score.high
