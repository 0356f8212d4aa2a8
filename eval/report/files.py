"""What an evaluation leaves behind: a table on the screen, figures and predictions in the run."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.files.bucket_runs import is_in_bucket
from adapters_tf.runs.provenance import list_versions
from eval.decoding.answerer import answer_length
from eval.metrics.averages import average_tasks
from eval.metrics.intervals import CONFIDENCE, RESAMPLES, SEED, Interval, make_interval
from eval.metrics.registry import mean_of_main_metrics
from eval.report.earlier import ReportedTask, digest_lines
from eval.report.scored_task import ScoredTask
from prep import Vocabulary
from prep.dataset.digests import task_digest
from prep.storage.durable_files import write_atomically

_DIGITS = "{:.9g}"  # of a probability: as many as tell every float32 apart


def write_report(
    folder: Path,
    split: str,
    scored: list[ScoredTask],
    vocabulary: Vocabulary,
    provenance: Mapping[str, Any],
    kept: Sequence[ReportedTask] = (),
    order: Sequence[str] = (),
) -> list[Path]:
    """Write `<split>.predictions.jsonl` and then `<split>.json`, each whole or not at all.

    Args:
        folder: Made if absent; the files of an earlier evaluation of the split are replaced.
        split: The split that was scored.
        scored: The tasks, in order.
        vocabulary: Turns inputs back into text.
        provenance: Where the figures come from: run, step, checkpoint, dataset and the like.
        kept: Other tasks, as an earlier evaluation left them.
        order: Names of tasks, in the order they stand in; by default as they come.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions, figures = folder / f"{split}.predictions.jsonl", folder / f"{split}.json"
    tasks = [*(_reported(task, split, vocabulary) for task in scored), *kept]
    if order:
        tasks.sort(key=lambda task: order.index(task.name))
    lines = [line for task in tasks for line in task.lines]
    write_atomically(predictions, "".join(lines).encode())
    document = {
        "split": split,
        **provenance,
        "versions": list_versions(),
        "resampling": {"resamples": RESAMPLES, "seed": SEED, "confidence": CONFIDENCE},
        "mean": mean_of_main_metrics(task.figures["metrics"] for task in tasks),
        **_over_tasks(tasks),
        "tasks": {task.name: task.figures for task in tasks},
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(figures, text.encode())
    return [figures, predictions]


def send_figures(run: str, folder: Path, files: Sequence[Path]) -> None:
    """Send what an evaluation has written in the copy of a run folder to the bucket it is of.

    Args:
        run: The run folder as a person named it; of one on this machine nothing is sent.
        folder: On this machine.
        files: What was written in it.

    Raises:
        DataError: The bucket refuses or does not answer.
    """
    if not is_in_bucket(run):
        return
    from prep.storage.bucket import BucketFolder  # loads Google's client

    with BucketFolder(run) as bucket:
        # Figures after the predictions they are of.
        for file in sorted(files, key=lambda file: file.suffix != ".jsonl"):
            bucket.write(file.relative_to(folder).as_posix(), file.read_bytes())


def _reported(task: ScoredTask, split: str, vocabulary: Vocabulary) -> ReportedTask:
    lines = _prediction_lines(task, vocabulary)
    figures = _figures(task, split)
    figures["predictions_digest"] = digest_lines(lines)
    return ReportedTask(task.entry.name, figures, lines, task.resampled)


def _over_tasks(tasks: Sequence[ReportedTask]) -> dict[str, Any]:
    """Give GLUE's and SuperGLUE's averages, and the intervals of what is over tasks.

    Args:
        tasks: Of the whole file; where the resamples of one are not known there are no intervals.

    Returns:
        `averages` and `intervals`, each where there is something to say.
    """
    metrics = {task.name: task.figures["metrics"] for task in tasks}
    averages = {name: float(one) for name, one in average_tasks(metrics).items()}
    given: dict[str, Any] = {"averages": averages}
    if all(task.resampled for task in tasks):
        main = np.mean([next(iter(task.resampled.values())) for task in tasks], 0)
        resampled = average_tasks({task.name: task.resampled for task in tasks})
        intervals = {
            name: make_interval(figures) for name, figures in {"mean": main, **resampled}.items()
        }
        given["intervals"] = {name: as_json(one) for name, one in intervals.items() if one}
    return {name: value for name, value in given.items() if value}


def as_json(interval: Interval) -> dict[str, float]:
    """Write an interval as JSON has it."""
    return dataclasses.asdict(interval)


def _figures(task: ScoredTask, split: str) -> dict[str, Any]:
    return {
        "kind": task.entry.kind,
        **({"label_words": task.entry.label_words} if task.entry.label_words else {}),
        "examples": task.result.examples,
        "answered_by": task.result.way,
        "decoding_length": answer_length(task.entry) if task.result.way == "decoded" else 0,
        "metrics": task.result.metrics,
        "intervals": {name: as_json(one) for name, one in task.intervals.items()},
        **_what_is_drawn(task),
        **({"signatures": task.signatures} if task.signatures else {}),
        **({"unjudged": task.unjudged} if task.unjudged else {}),
        **({"unvaried": task.unvaried} if task.unvaried else {}),
        **({"words": dict(task.result.words)} if task.result.words else {}),
        "trivial_baseline": task.baseline,
        "unreadable_predictions": task.result.unreadable,
        # Their predictions are compared with what was left of the target.
        "truncated_targets": task.entry.split(split).truncated_targets,
        "examples_digest": task_digest(task.whole or task.entry, [split]),
    }


def _what_is_drawn(task: ScoredTask) -> dict[str, str]:
    """Tell what resamples are made of, where that is not examples."""
    answers = task.result.answers
    for name in ("documents", "groups"):
        if answers is not None and getattr(answers, name) is not None:
            return {"resampled": name}
    return {}


def _prediction_lines(task: ScoredTask, vocabulary: Vocabulary) -> list[str]:
    lines = []
    for prediction in task.result.predictions:
        record = {
            "task": task.entry.name,
            "example": prediction.example,
            "input": vocabulary.decode_texts(task.table.input_ids(prediction.row)),
            "target": prediction.target,
            "prediction": prediction.prediction,
            "token_ids": prediction.token_ids,
        }
        if prediction.references:
            record["references"] = prediction.references
        if prediction.probabilities:
            words = zip(task.entry.label_words, prediction.probabilities, strict=True)
            record["probabilities"] = {word: float(_DIGITS.format(share)) for word, share in words}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    return lines
