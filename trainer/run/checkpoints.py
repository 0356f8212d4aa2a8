"""Checkpoints of what trains: variables, optimizer, step, and so the position in the data."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.errors import FULL, reason_of_refusal
from adapters_tf.runs.checkpoints import BEST_FILE, list_checkpoints, whole_checkpoints
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.runs.loading import trainable_checkpoint
from prep import DataError
from prep.storage.durable_files import write_atomically
from trainer.optimizers.taskwise import TaskwiseOptimizer
from trainer.run.best_rows import BestRows, Score, read_records, write_records
from trainer.run.full_disk import FullDiskError, SpaceWait

INDEX = "checkpoint"  # TensorFlow's list of a folder's checkpoints


class RunCheckpoints:
    """The periodic checkpoints of a run, and its best one.

    Args:
        folder: The run folder.
        model: Whose trainable variables are saved; the frozen backbone is not.
        optimizer: Saved with its slots and step counts.
        keep: How many periodic checkpoints stay.
        report: Called with a line for each checkpoint that is damaged.
        balancing: What weighs the tasks of a step, saved with what it learned; None for nothing.
        by_task: Whether every task has a best row of its own; only where nothing else trains.
        wait: What is done about a full disk.
    """

    def __init__(
        self,
        folder: Path,
        model: TaskModel,
        optimizer: TaskwiseOptimizer,
        keep: int,
        report: Callable[[str], None] = lambda line: None,
        balancing: tf.Module | None = None,
        by_task: bool = False,
        wait: SpaceWait | None = None,
    ):
        self.folder, self.report = folder, report
        self.wait = wait or SpaceWait()
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        others = {} if balancing is None else {"balancing": balancing}
        self.checkpoint = trainable_checkpoint(model, optimizer=optimizer, step=self.step, **others)
        self.last = _open(self.checkpoint, folder / CHECKPOINTS["last"], keep, report)
        self.weights = trainable_checkpoint(model, step=self.step)
        self.rows = BestRows(model) if by_task and not self._is_of_one_step() else None
        best = self.rows.checkpoint if self.rows else self.weights
        self.best = _open(best, folder / CHECKPOINTS["best"], 1, report)
        if self.rows and self.best.latest_checkpoint:
            best.restore(self.best.latest_checkpoint).assert_existing_objects_matched()

    def restore(self) -> int:
        """Read the newest checkpoint that is whole.

        Returns:
            The steps behind it; 0 when there is none.

        Raises:
            DataError: There is one and it cannot be read into this model, or none is whole.
        """
        path = self.last.latest_checkpoint
        if path is None:
            refuse_to_begin_again(self.folder)
            return 0
        try:
            self.checkpoint.restore(path).assert_consumed()
        except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"checkpoint {path} does not fit the model: {reason}") from error
        return int(self.step.numpy())

    def save(self, step: int) -> None:
        """Write a periodic checkpoint.

        Args:
            step: Steps done.

        Raises:
            DataError: It could not be written, on a full disk for one.
        """
        if self.last.latest_checkpoint and _step_of(self.last) == step:
            return
        self._write(self.last, step)

    def _write(self, manager: tf.train.CheckpointManager, step: int) -> None:
        (self.rows.step if self.rows and manager is self.best else self.step).assign(step)
        self.wait(lambda: self._save(manager, step))

    def _save(self, manager: tf.train.CheckpointManager, step: int) -> None:
        try:
            manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            for leftover in Path(manager.directory).glob("*_temp"):
                shutil.rmtree(leftover, ignore_errors=True)
            reason = reason_of_refusal(error.message)
            raise (FullDiskError if reason == FULL else DataError)(
                f"{reason}: the checkpoint of step {step} could not be written to "
                f"{manager.directory}; {self._describe_last()}"
            ) from error

    def _describe_last(self) -> str:
        last = self.last.latest_checkpoint
        return f"the last whole one is {last}" if last else "there is no earlier one"

    def save_if_best(self, step: int, metric: str, value: float, loss: float = math.inf) -> bool:
        """Write the best checkpoint if this one beats it.

        Args:
            step: Steps done.
            metric: Its name; losses are better when smaller.
            value: At this step; one that is no finite number is never best.
            loss: At this step; among equal values the smallest is best, since metrics of few
                examples, or of a model that has only begun to learn, often are equal.

        Returns:
            Whether it did.
        """
        if not math.isfinite(value):
            return False
        loss = loss if math.isfinite(loss) else math.inf
        best, best_loss = self._best_figures()
        known = None if best is None else Score(metric, best, best_loss)
        if not Score(metric, value, loss).beats(known):
            return False
        self._write(self.best, step)
        record = {"step": step, "metric": metric, "value": value}
        if math.isfinite(loss):
            record["loss"] = loss
        self._write_record(record)
        return True

    def save_best_rows(self, step: int, scores: Mapping[str, Score]) -> list[str]:
        """Write the best checkpoint anew with the rows of the tasks that are better than before.

        Args:
            step: Steps done.
            scores: By task, at this step. Those that are no numbers are never best; of a task that
                has none, the row of the last step is kept.

        Returns:
            The tasks that are.
        """
        if self.rows is None:
            raise ValueError("the best checkpoint is of one step")
        known = self.best.latest_checkpoint is not None and scores
        records = read_records(self.folder / BEST_FILE, self.report) if known else {}
        records = {task: one for task, one in records.items() if task in scores}
        better = {
            task: (step, score)
            for task, score in scores.items()
            if score.is_finite() and score.beats(records[task][1] if task in records else None)
        }
        unscored = [task for task in self.rows.tasks if task not in scores]
        if not better and not unscored:
            return []
        self.rows.copy([*better, *unscored])
        self._write(self.best, step)
        if records := {**records, **better}:
            self._write_record(write_records(step, records))
        return list(better)

    def _write_record(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=2) + "\n"
        self.wait(lambda: write_atomically(self.folder / BEST_FILE, text.encode()))

    def save_unscored(self, step: int) -> None:
        """Write the weights as they are now in place of a best checkpoint that nothing chooses.

        Args:
            step: Steps done.
        """
        if self.rows is not None:
            self.rows.copy(self.rows.tasks)
        self._write(self.best, step)

    def best_step(self) -> int:
        """Read the step that was best last, of any task; 0 if there is none.

        Where best.json is damaged it is at most that of the best checkpoint.
        """
        file = self.folder / BEST_FILE
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            tasks = record.get("tasks", {"": record}).values()
            return max((int(one["step"]) for one in tasks), default=0)
        except OSError:
            return 0
        except (ValueError, KeyError, TypeError, AttributeError):
            return _step_of(self.best)

    def _is_of_one_step(self) -> bool:
        """Tell whether an earlier version has begun to keep one step for all tasks."""
        file = self.folder / BEST_FILE
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(record, dict) and "value" in record and "tasks" not in record

    def best_value(self) -> float | None:
        """Read the best checkpoint's metric.

        Returns:
            None if there is no whole checkpoint, or no file that says a number of it.
        """
        return self._best_figures()[0]

    def _best_figures(self) -> tuple[float | None, float]:
        """Read the best checkpoint's metric and loss; one without a loss loses no tie."""
        file = self.folder / BEST_FILE
        if self.best.latest_checkpoint is None:
            return None, math.inf
        if not file.exists():
            self.report(f"{file} is missing: the best so far is not known")
            return None, math.inf
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            value, loss = record["value"], record.get("loss", -math.inf)
        except (ValueError, KeyError, TypeError):
            self.report(f"{file} is damaged: the best so far is not known")
            return None, math.inf
        if not (isinstance(value, float | int) and math.isfinite(value)):
            return None, math.inf
        is_number = isinstance(loss, float | int) and not math.isnan(loss)
        return value, loss if is_number else -math.inf

    def has_lost_best(self) -> bool:
        """Tell whether there was a best checkpoint and none of it is whole."""
        is_whole = self.best.latest_checkpoint is not None
        return not is_whole and bool(list_checkpoints(Path(self.best.directory)))

    def restore_best(self) -> int:
        """Read the best checkpoint's weights; the last ones stay where there is no whole best.

        Returns:
            The steps behind the model's weights now.

        Raises:
            DataError: It cannot be read: somebody took it away, for one.
        """
        path = self.best.latest_checkpoint
        if path is not None:
            try:
                self.weights.restore(path).assert_existing_objects_matched()
            except tf.errors.OpError as error:
                reason = reason_of_refusal(error.message)
                raise DataError(f"checkpoint {path} cannot be read: {reason}") from error
        return int(self.step.numpy())


def refuse_to_begin_again(folder: Path) -> None:
    """Refuse to train from step 0 where that would take the place of what was learned.

    Args:
        folder: A run folder without a whole checkpoint to go on from.

    Raises:
        DataError: It has damaged ones, or a best one.
    """
    last, best = (folder / CHECKPOINTS[name] for name in ("last", "best"))
    if damaged := list_checkpoints(last):
        raise DataError(
            f"none of the {len(damaged)} checkpoints in {last} is whole; to begin again, choose "
            "another --run or remove the folder"
        )
    if list_checkpoints(best):
        raise DataError(
            f"{last} holds no checkpoint to go on from, and {folder} has a best one; to begin "
            "again, choose another --run or remove the folder"
        )


def _step_of(manager: tf.train.CheckpointManager) -> int:
    """Read the step of a folder's newest checkpoint off its name; 0 if there is none."""
    path = manager.latest_checkpoint
    return 0 if path is None else int(path.rsplit("-", 1)[1])


def _open(
    checkpoint: tf.train.Checkpoint, folder: Path, keep: int, report: Callable[[str], None]
) -> tf.train.CheckpointManager:
    """Open a folder of checkpoints; its index is written anew from those that are whole."""
    for leftover in folder.glob("*_temp"):  # of a write that a kill ended
        shutil.rmtree(leftover, ignore_errors=True)
    paths = [Path(found.path) for found in whole_checkpoints(folder, report)][::-1]
    (folder / INDEX).unlink(missing_ok=True)
    if paths:
        lines = [f'model_checkpoint_path: "{paths[-1].name}"']
        lines += [f'all_model_checkpoint_paths: "{path.name}"' for path in paths]
        lines += [
            f"all_model_checkpoint_timestamps: {number + 1}.0" for number in range(len(paths))
        ]
        # A manager deletes none but those that are newer than what it says it keeps for good.
        lines.append("last_preserved_timestamp: 0.5")
        write_atomically(folder / INDEX, "\n".join([*lines, ""]).encode())
    return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=keep)
