"""Each task's own best row, where nothing that tasks share trains.

Then the tasks' rows are as many models as there are tasks, and the step that is best for one of
them need not be for another: `best/` holds of every task the row of its own best step.

Shape letters: K tasks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runs.settings import ResolvedRun

BY_TASK = "each task's own"  # in place of a metric's name, in best.json


@dataclass(frozen=True)
class Score:
    """How good a task is at a step.

    Attributes:
        metric: What the value is of; losses are better when smaller.
        value: At this step.
        loss: At this step, in nats per token: among equal values the smallest is best.
    """

    metric: str
    value: float
    loss: float = math.inf

    def is_finite(self) -> bool:
        """Tell whether it says anything: answers read off scores that are no numbers do not."""
        return math.isfinite(self.value) and not math.isnan(self.loss)

    def beats(self, other: Score | None) -> bool:
        """Tell whether it is better than another one; anything is better than none."""
        if other is None:
            return True
        sign = -1 if self.metric.rpartition("/")[2] == "loss" else 1
        return (sign * self.value, -self.loss) > (sign * other.value, -other.loss)


def score_tasks(figures: Mapping[str, float], metric: str) -> dict[str, Score]:
    """Take a score of each task from a validation's figures.

    Args:
        figures: By `<task>/<metric>`, a task's main metric before its others.
        metric: `mean` for main metrics, `loss` for losses.

    Returns:
        By task; of one that has no metrics, its loss.
    """
    by_task: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        task, slash, own_name = name.rpartition("/")
        if slash:
            by_task.setdefault(task, {})[own_name] = value
    scores = {}
    for task, own in by_task.items():
        loss = own.pop("loss", math.inf)
        name, value = next(iter(own.items()), ("loss", loss))
        if metric == "loss":
            name, value = "loss", loss
        scores[task] = Score(name, value, loss)
    return scores


def has_best_rows(settings: ResolvedRun, model: TaskModel) -> bool:
    """Tell whether every task has a best row of its own.

    Args:
        settings: Of the run.
        model: As it will be trained.

    Returns:
        Whether nothing that tasks share trains, and no one task decides for all.
    """
    is_for_all = settings.training.best_metric in ("mean", "loss")
    return is_for_all and model.trains_rows_only()


class BestRows:
    """Copies of the tasks' best rows, and what made them the best.

    Args:
        model: All of whose trainable variables are banks.
    """

    def __init__(self, model: TaskModel):
        self.tasks = model.task_names
        self.banks = model.trainable_by_path()
        with tf.device("/CPU:0"):
            self.copies = {
                path: tf.Variable(tf.convert_to_tensor(bank), trainable=False)
                for path, bank in self.banks.items()
            }
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        # Under the names that a model's own variables have.
        self.checkpoint = tf.train.Checkpoint(trainable=self.copies, step=self.step)

    def copy(self, tasks: Iterable[str]) -> None:
        """Take the rows of some tasks as they are now."""
        rows = tf.constant([self.tasks.index(task) for task in tasks], tf.int32)
        for path, bank in self.banks.items():
            now = tf.gather(tf.convert_to_tensor(bank), rows)
            self.copies[path].scatter_update(tf.IndexedSlices(now, rows))


def read_records(file: Path, report: Callable[[str], None]) -> dict[str, tuple[int, Score]]:
    """Read what is known of each task's best row.

    Args:
        file: `best.json`.
        report: Called with a line if the file is missing or damaged.

    Returns:
        Step and score by task; empty if there is no such file, or none that can be read.
    """
    if not file.exists():
        report(f"{file} is missing: each task's best so far is not known")
        return {}
    try:
        return {
            task: (int(one["step"]), _read_score(one))
            for task, one in json.loads(file.read_text(encoding="utf-8"))["tasks"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        report(f"{file} is damaged: each task's best so far is not known")
        return {}


def _read_score(one: Mapping[str, Any]) -> Score:
    return Score(str(one["metric"]), float(one["value"]), float(one.get("loss", math.inf)))


def write_records(step: int, records: Mapping[str, tuple[int, Score]]) -> dict[str, Any]:
    """Describe each task's best row as `best.json` holds it.

    Args:
        step: Of the last one that was taken.
        records: Step and score by task.

    Returns:
        What JSON can hold.
    """
    tasks: dict[str, Any] = {}
    for task, (own_step, score) in records.items():
        tasks[task] = {"step": own_step, "metric": score.metric, "value": score.value}
        if math.isfinite(score.loss):
            tasks[task]["loss"] = score.loss
    values = [score.value for _, score in records.values()]
    mean = sum(values) / len(values)
    return {"step": step, "metric": BY_TASK, "value": mean, "tasks": tasks}
