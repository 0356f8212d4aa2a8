"""What a comparison reads: the figures that runs were scored with, and the answers they are of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.errors import say_note
from eval.metrics.answers import Answers, gather_answers, target_texts
from eval.report.places import FIGURES
from eval.report.scored_files import Line, find_figures, read_figures, read_predictions
from prep import (
    DataError,
    Manifest,
    TaskEntry,
    TokenTable,
    UsageError,
    Vocabulary,
    load_manifest,
    nearest,
    read_split,
    read_vocabulary,
)
from prep.dataset.digests import task_digest

_WAYS = ("checkpoint", "decoding", "input_length")  # beside the weights, what figures depend on


@dataclass(frozen=True)
class ComparedRun:
    """A run that was scored.

    Attributes:
        name: As a person typed it.
        folder: On this machine.
        document: Of `<split>.json`.
    """

    name: str
    folder: Path
    document: Mapping[str, Any]

    def predictions(self) -> dict[str, list[Line]]:
        """Read the lines of `<split>.predictions.jsonl`, in their order, by task.

        Raises:
            DataError: One is none, or they are not what the figures are of.
        """
        file = self.folder / "eval" / f"{self.document['split']}.predictions.jsonl"
        return read_predictions(file, self.document["tasks"])


def read_scored_run(name: str, folder: Path, split: str) -> ComparedRun:
    """Read the figures of a run.

    Args:
        name: As a person typed it.
        folder: On this machine.
        split: That was scored.

    Returns:
        The run.

    Raises:
        UsageError: It was not scored on that split, or by a version that kept no digests.
        DataError: Its file is damaged.
    """
    file = find_figures(name, folder, folder / FIGURES, split)
    again = f"python -m eval --run {name} --split {split}"
    document = read_figures(file)
    if not all("examples_digest" in task for task in document["tasks"].values()):
        raise UsageError(
            f"{name}: eval/{split}.json was written by an earlier version, which kept no digests; "
            f"score the run again: {again}"
        )
    return ComparedRun(name, folder, {**document, "split": split})


def choose_common_tasks(runs: Sequence[ComparedRun], wanted: Sequence[str]) -> list[str]:
    """Choose the tasks that all runs were scored on.

    Args:
        runs: The first tells the order.
        wanted: Tasks asked for; empty for all.

    Returns:
        Names of tasks.

    Raises:
        UsageError: There is none, one that was asked for is missing, or the runs were scored on
            other examples.
    """
    first, *others = runs
    common = [
        task
        for task in first.document["tasks"]
        if all(task in run.document["tasks"] for run in others)
    ]
    for task in wanted:
        if task not in common:
            raise UsageError(f"not all runs were scored on task {task!r}; {nearest(task, common)}")
    if not common:
        raise UsageError("there is no task that all these runs were scored on")
    left_out = {task for run in runs for task in run.document["tasks"]} - set(common)
    if left_out and not wanted:
        say_note(f"not compared, for not all runs have them: {', '.join(sorted(left_out))}")
    chosen = [task for task in common if not wanted or task in wanted]
    unlike = {task: run.name for task in chosen for run in others if _differ(task, run, first)}
    if unlike:
        task, name = next(iter(unlike.items()))
        alike = ",".join(one for one in chosen if one not in unlike)
        raise UsageError(
            f"task {task!r}: {name} and {first.name} were not scored on the same examples and "
            "metrics; score them on one dataset"
            + (f", or compare the others alone: --tasks {alike}" if alike else "")
        )
    return chosen


def choose_common_metrics(runs: Sequence[ComparedRun], task: str) -> list[str]:
    """Choose the figures of a task that all runs have, and say which not all have.

    Args:
        runs: The first tells the order.
        task: That all of them were scored on.

    Returns:
        Names of figures; free answers have none of probabilities.

    Raises:
        UsageError: There is none.
    """
    first, *others = (list(run.document["tasks"][task]["metrics"]) for run in runs)
    common = [name for name in first if all(name in of for of in others)]
    lost = dict.fromkeys(name for of in (first, *others) for name in of if name not in common)
    if lost:
        say_note(f"{task}: not compared, for not all runs have them: {', '.join(lost)}")
    if not common:
        raise UsageError(f"task {task!r}: there is no figure that all these runs have")
    return common


def _differ(task: str, run: ComparedRun, other: ComparedRun) -> bool:
    one, two = (of.document["tasks"][task]["examples_digest"] for of in (run, other))
    return bool(one != two)


def note_other_ways(runs: Sequence[ComparedRun]) -> None:
    """Say which runs were not scored as the first one was: that, too, makes figures differ."""
    first, *others = runs
    for key in _WAYS:
        for run in others:
            ours, its = (json.dumps(one.document.get(key)) for one in (first, run))
            if its != ours:
                say_note(f"scored otherwise: {key} is {its} of {run.name}, {ours} of {first.name}")


def gather_run_answers(
    runs: Sequence[ComparedRun], tasks: Sequence[str], dataset: str
) -> dict[str, list[Answers]]:
    """Put what each run answered beside the right answers of the dataset.

    Args:
        runs: That were scored on the same examples.
        tasks: Names.
        dataset: The folder they were scored on.

    Returns:
        By task, the answers of each run.

    Raises:
        UsageError: The dataset has other examples than the runs were scored on.
        DataError: A file of predictions has other examples than the split.
    """
    manifest = load_manifest(dataset)
    vocabulary = read_vocabulary(dataset, manifest)
    split = runs[0].document["split"]
    predictions = [run.predictions() for run in runs]
    gathered = {}
    for task in tasks:
        entry = _same_task(manifest, task, runs[0], dataset)
        table = read_split(dataset, manifest, task, split)
        gathered[task] = [
            pair_answers(entry, table, of_run.get(task, []), vocabulary, run.name)
            for run, of_run in zip(runs, predictions, strict=True)
        ]
    return gathered


def _same_task(manifest: Manifest, task: str, run: ComparedRun, dataset: str) -> TaskEntry:
    entry = manifest.task(task)
    if (
        task_digest(entry, (run.document["split"],))
        != run.document["tasks"][task]["examples_digest"]
    ):
        raise UsageError(
            f"task {task!r}: {dataset} has other examples than {run.name} was scored on; name the "
            "dataset with --dataset"
        )
    return entry


def _shares_of(line: Mapping[str, Any], entry: TaskEntry, run: str) -> list[float]:
    """Bring the probabilities of a prediction into the order of the task's label words."""
    shares = line["probabilities"]
    if set(shares) != set(entry.label_words):
        raise DataError(
            f"{run}: its predictions of task {entry.name!r} have probabilities of "
            f"{', '.join(shares)}, and its label words are {', '.join(entry.label_words)}; score "
            "the run again"
        )
    return [shares[word] for word in entry.label_words]


def pair_answers(
    entry: TaskEntry,
    table: TokenTable,
    lines: Sequence[Mapping[str, Any]],
    vocabulary: Vocabulary,
    run: str,
) -> Answers:
    """Put what a file says was answered beside the right answers of a table.

    Args:
        entry: The task.
        table: Its examples.
        lines: Of `<split>.predictions.jsonl`, in the source's order.
        vocabulary: Of the dataset.
        run: As a person typed it, for messages.

    Returns:
        The answers, in the table's order.

    Raises:
        DataError: The lines are not of the table's examples.
    """
    order = np.argsort(table.examples, kind="stable")
    if [line["example"] for line in lines] != table.examples[order].tolist():
        raise DataError(
            f"{run}: its predictions of task {entry.name!r} are not of the {len(table)} examples "
            "of the split; score the run again"
        )
    given: list[str] = [""] * len(table)
    for line, row in zip(lines, order, strict=True):
        given[row] = line["prediction"]
    probabilities = None
    if lines and all("probabilities" in line for line in lines):
        probabilities = np.zeros((len(table), len(entry.label_words)), np.float32)
        probabilities[order] = [_shares_of(line, entry, run) for line in lines]
    targets = target_texts(entry, table, vocabulary)
    return gather_answers(entry, table, targets, given, vocabulary, probabilities)
