"""The sentences that a page on a dataset opens with: what a person should look at first."""

from collections.abc import Iterator

from prep.dataset.entries import ITSELF
from prep.inspection.survey import SplitSurvey, Survey, TaskSurvey
from prep.inspection.text import describe_reasons, describe_unknown, loses_much

MUCH_REJECTED = 0.01  # of the source rows
MUCH_TRUNCATED = 0.05  # of the examples
MUCH_SHARED = 0.01  # of the examples, whose inputs another split has too
_RARE = 5  # times fewer examples than a label would have if all had the same


def give_verdict(survey: Survey) -> list[str]:
    """Say what is wrong with a dataset, or might be.

    Args:
        survey: What was found in it.

    Returns:
        A sentence on the whole, and one for each thing found, with its task and split.
    """
    failed = survey.manifest.failed.items()
    found = [f"{name} failed, and is not in it: {why}" for name, why in failed]
    for task in survey.tasks:
        for split in task.splits:
            where = f"{task.entry.name}, {split.name}"
            found += [f"{where}: {what}." for what in _judge(task, split)]
    if not found:
        return ["Nothing stands out: few rows are rejected, cut, unknown or in two splits."]
    return [f"{len(found)} thing{'s' * (len(found) > 1)} to look at.", *found]


def _judge(task: TaskSurvey, split: SplitSurvey) -> Iterator[str]:
    entry = split.entry
    rows = entry.examples + entry.rejected
    if entry.rejected > MUCH_REJECTED * rows:
        yield f"{entry.rejected:,} of {rows:,} rows are rejected ({describe_reasons(entry)})"
    if loses_much(entry):
        yield from (line.replace(": ", " ", 1) for line in describe_unknown(entry))
    if entry.truncated > MUCH_TRUNCATED * entry.examples:
        yield f"{entry.truncated:,} of {entry.examples:,} examples are cut, being too long"
    elif entry.truncated_targets:
        yield f"the targets of {entry.truncated_targets:,} examples are cut"
    for other, count in entry.duplicates.items():
        if count > MUCH_SHARED * entry.examples:
            whose = "of an earlier one" if other == ITSELF else f"that {other} has too"
            yield f"{count:,} of {entry.examples:,} examples have inputs {whose}"
    yield from _judge_labels(task, split)


def _judge_labels(task: TaskSurvey, split: SplitSurvey) -> Iterator[str]:
    counts = dict(zip(task.entry.label_words, split.entry.label_counts, strict=True))
    if not counts:
        return
    even = sum(counts.values()) / len(counts)
    absent = [word for word, count in counts.items() if not count]
    rare = [f"{word} ({count:,})" for word, count in counts.items() if 0 < count < even / _RARE]
    if absent:
        yield f"no example is {_join(absent)}"
    if rare:
        yield f"few examples are {_join(rare)}, where {even:,.0f} each would be even"


def _join(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
