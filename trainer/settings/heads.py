"""Which tasks a head answers, and what: found out from the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from adapters_tf.commands.arguments import split_names
from adapters_tf.runs.sections import HeadsConfig
from adapters_tf.runs.settings import ResolvedHeads
from prep import Manifest, TaskEntry, UsageError, nearest
from prep.dataset.entries import SplitEntry

ALL = "all"
BALANCED = "balanced"


def resolve_heads(
    heads: HeadsConfig, tasks: Sequence[str], manifest: Manifest, train_split: str
) -> ResolvedHeads:
    """Find out what the heads of a run answer.

    Args:
        heads: As the user wrote it.
        tasks: Of the run.
        manifest: Of its dataset.
        train_split: Whose classes are counted for balanced weights.

    Returns:
        The settings, with kinds, numbers of answers and weights by task.

    Raises:
        UsageError: A task that is unknown or that no head can answer, one that only a head can
            and that is not named, or weights that do not fit.
    """
    entries = {task: manifest.task(task) for task in tasks}
    names = split_names(heads.tasks) if isinstance(heads.tasks, str) else list(heads.tasks)
    if names == [ALL]:
        names = [task for task, entry in entries.items() if entry.kind != "generation"]
        if not names:
            raise UsageError("heads.tasks all: no task is of classes, numbers or choices")
    for name in names:
        if name not in entries:
            raise UsageError(f"heads.tasks {name!r} is unknown; {nearest(name, [*tasks, ALL])}")
        if entries[name].kind == "generation":
            raise UsageError(
                f"heads.tasks: {name} is of kind generation, and a head gives a class, a number or "
                "a choice; leave it out, and it answers in words"
            )
    for task, entry in entries.items():
        if entry.choices and task not in names:
            raise UsageError(
                f"task {task!r} has a text for each choice, which only a head can score; name it "
                "in heads.tasks, or build it without `choices`: no --format encoder, and none in "
                "its file"
            )
    named = [task for task in tasks if task in names]
    found = {task: _what_it_answers(entries[task]) for task in named}
    resolved = ResolvedHeads(
        **{
            **asdict(heads),
            "tasks": named,
            "kinds": {task: kind for task, (kind, _) in found.items()},
            "answers": {task: answers for task, (_, answers) in found.items()},
            "words": {
                task: list(entries[task].label_words)
                for task, (kind, _) in found.items()
                if kind == "classification"
            },
        }
    )
    splits = {task: entries[task].split(train_split) for task in named}
    return replace(resolved, class_weights=_resolve_weights(resolved, splits))


def _what_it_answers(entry: TaskEntry) -> tuple[str, int]:
    if entry.kind == "regression":
        return "regression", 1
    if entry.choices:
        return "multiple_choice", entry.choices
    return "classification", len(entry.label_words)  # of all choices in one text, too


def _resolve_weights(heads: ResolvedHeads, splits: dict[str, SplitEntry]) -> dict[str, list[float]]:
    given = heads.class_weights
    classified = [task for task, kind in heads.kinds.items() if kind == "classification"]
    if isinstance(given, str):
        if given not in ("", BALANCED):
            raise UsageError(
                f"heads.class_weights {given!r} is unknown; expected {BALANCED!r} or a list of "
                "numbers by task"
            )
        if given and not classified:
            raise UsageError("heads.class_weights: no head of this run gives classes")
        return {task: _balance(splits[task].label_counts) for task in (classified if given else [])}
    for task, weights in given.items():
        if task not in classified:
            raise UsageError(
                f"heads.class_weights {task!r}: no head gives its classes; "
                f"{nearest(task, classified)}"
            )
        if len(weights) != heads.answers[task]:
            raise UsageError(
                f"heads.class_weights of {task}: {len(weights)} weights for "
                f"{heads.answers[task]} classes"
            )
        if not all(0 <= one < 1e6 for one in weights) or not any(weights):
            raise UsageError(
                f"heads.class_weights of {task}: {weights} has a weight that is no number from 0 "
                "to a million, or none above 0"
            )
    return {task: [float(one) for one in weights] for task, weights in given.items()}


def _balance(counts: Sequence[int]) -> list[float]:
    """Weigh classes by how rare they are, 1 on average (as scikit-learn's "balanced")."""
    total = sum(counts)
    return [round(total / (len(counts) * count), 6) if count else 0.0 for count in counts]
