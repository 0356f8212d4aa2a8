"""What an earlier evaluation of a split found of other tasks: kept where the model is the same."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.runs.provenance import list_versions
from eval.metrics.intervals import resample_figures
from eval.report.compared_runs import pair_answers
from prep import Manifest, TaskEntry, TokenTable, Vocabulary
from prep.dataset.digests import task_digest
from prep.tasks.metrics import resolve_metrics

# What figures depend on, beside the examples.
_CHECKPOINT = ("checkpoint", "step", "checkpoint_digest", "average", "weights")
_OTHERS = ("decoding", "input_length", "vocabulary_sha256")
# What may be another for some of a file's tasks, which then say it themselves.
_OF_THE_MACHINE = ("batch_size", "replicas", "trained_shares", "versions")
_SCORED_WITH = "scored_with"


@dataclass(frozen=True)
class ReportedTask:
    """A task as the files of an evaluation have it.

    Attributes:
        name: The task.
        figures: What `<split>.json` says of it.
        lines: Of `<split>.predictions.jsonl`, each with its end.
        resampled: The figures of resamples, float [resamples] by name; none where answers are
            unknown.
    """

    name: str
    figures: dict[str, Any]
    lines: list[str]
    resampled: Mapping[str, np.ndarray] = field(default_factory=dict)

    def resample(
        self, entry: TaskEntry, table: TokenTable, vocabulary: Vocabulary, run: str
    ) -> "ReportedTask":
        """Resample what an earlier evaluation found, as if it had been scored now.

        Args:
            entry: The task.
            table: The examples it was scored on.
            vocabulary: Of the dataset.
            run: As a person typed it, for messages.

        Returns:
            The task with `resampled`.

        Raises:
            DataError: The lines are not of the table's examples.
        """
        lines = [json.loads(line) for line in self.lines]
        answers = pair_answers(entry, table, lines, vocabulary, run)
        names = [name for name in resolve_metrics(entry.metrics) if name in self.figures["metrics"]]
        return replace(self, resampled=resample_figures(self.name, names, answers))


def digest_lines(lines: Iterable[str]) -> str:
    """Compute the SHA-256 of a task's predictions, by which figures know theirs."""
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def keep_others(
    folder: Path,
    split: str,
    provenance: Mapping[str, Any],
    manifest: Manifest,
    entries: Sequence[TaskEntry],
) -> tuple[list[ReportedTask], list[str]]:
    """Find what an earlier evaluation of a split left of tasks that are not scored now.

    Args:
        folder: Of the report.
        split: The split that was scored.
        provenance: Where the figures of now come from.
        manifest: Of the dataset.
        entries: The tasks that are scored now.

    Returns:
        What is of the same model and the same examples, and a line for what is not.
    """
    file, scored = folder / f"{split}.json", {entry.name for entry in entries}
    old, fault = _read(file)
    others = {name: figures for name, figures in old["tasks"].items() if name not in scored}
    new = json.loads(json.dumps({**provenance, "versions": list_versions()}))
    lost: dict[str, list[str]] = {}
    kept = []
    if others:
        lines = _lines_by_task(folder / f"{split}.predictions.jsonl")
        another = _another_model(old, new)
        for name, figures in others.items():
            why = another or _why_lost(figures, split, manifest.tasks.get(name), lines.get(name))
            if why:
                lost.setdefault(why, []).append(name)
            else:
                task = ReportedTask(name, figures, lines.get(name, []))
                kept.append(_with_machine(task, old, new))
    said = [
        f"figures of {', '.join(names)} in {file.name} are not kept: {why}"
        for why, names in lost.items()
    ]
    if fault:
        said.append(f"figures of other tasks in {file.name} are not kept: {fault}")
    return kept, said


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """Read the figures of an earlier evaluation; none, and why, where they cannot be read."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        tasks = {name: dict(figures) for name, figures in document["tasks"].items()}
    except FileNotFoundError:
        return {"tasks": {}}, ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"tasks": {}}, f"the file cannot be read: {error}"
    return {**document, "tasks": tasks}, ""


def _lines_by_task(file: Path) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    try:
        with file.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                lines.setdefault(json.loads(line)["task"], []).append(line)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return lines


def _another_model(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say how what answered then differs from what answers now; nothing where it does not."""
    if "checkpoint_digest" not in old:
        return "an earlier version wrote them and did not say of which weights"
    if any(old.get(name) != new.get(name) for name in _CHECKPOINT):
        return (
            f"they are of another checkpoint ({old.get('checkpoint')}, step {old.get('step')}; "
            f"now {new['checkpoint']}, step {new['step']})"
        )
    for name in _OTHERS:
        if old.get(name) != new.get(name):
            return f"they were found with {name} {old.get(name)}, now {new.get(name)}"
    return ""


def _why_lost(
    figures: Mapping[str, Any], split: str, entry: TaskEntry | None, lines: list[str] | None
) -> str:
    if entry is None or figures.get("examples_digest") != task_digest(entry, [split]):
        return "the dataset has other examples now"
    if figures.get("predictions_digest") != digest_lines(lines or []):
        return f"their predictions are not in {split}.predictions.jsonl"
    return ""


def _with_machine(
    task: ReportedTask, old: Mapping[str, Any], new: Mapping[str, Any]
) -> ReportedTask:
    """Let a task say itself where it was scored, if the others are scored elsewhere."""
    differs = {name: old.get(name) for name in _OF_THE_MACHINE if old.get(name) != new.get(name)}
    differs |= task.figures.get(_SCORED_WITH, {})
    figures = {**task.figures, _SCORED_WITH: differs} if differs else task.figures
    return replace(task, figures=figures)
