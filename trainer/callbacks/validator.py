"""Score every task of a run on its validation split, during training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runs.settings import ResolvedRun
from eval import Evaluator
from eval.decoding.replicas import padded_rows, share_out
from eval.metrics.registry import mean_of_main_metrics
from prep import Manifest, TokenTable, make_batch, read_split, read_vocabulary
from trainer.settings.resolving import packed_lengths
from trainer.steps.step import validation_step


class Validator:
    """Computes each task's loss and metrics, and the mean over tasks.

    Args:
        model: That is being trained.
        tables: The validation tokens of each task.
        evaluator: Scores predictions; its compiled programs are kept between validations.
        strategy: That the model's variables live under.
        batch_size: Examples per global batch.
        input_length: Static length of inputs, in tokens.
        target_length: Static length of targets, in tokens.
        loss_chunk: Target positions whose scores over the vocabulary are held at once; 0 for all.
    """

    def __init__(
        self,
        model: TaskModel,
        tables: Mapping[str, TokenTable],
        evaluator: Evaluator,
        strategy: tf.distribute.Strategy,
        *,
        batch_size: int,
        input_length: int,
        target_length: int,
        loss_chunk: int = 0,
    ):
        self.model, self.tables = model, tables
        self.evaluator, self.strategy = evaluator, strategy
        self.batch_size = batch_size
        self.input_length, self.target_length = input_length, target_length

        # TPUStrategy makes a tensor of each argument, which a model is not, and names a scope after
        # the outer function, which a lambda's name cannot be.
        def step(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            return validation_step(model, batch, loss_chunk)

        def step_all(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            return strategy.run(step, args=(batch,))

        self._step = tf.function(step_all, reduce_retracing=True)

    def run(self) -> dict[str, float]:
        """Validate all tasks.

        Returns:
            `<task>/loss` in nats per token, `<task>/<metric>`, and over tasks `loss` (their mean)
            and `mean` (of each task's first metric).
        """
        figures: dict[str, float] = {}
        metrics: dict[str, Mapping[str, float]] = {}
        for task, table in self.tables.items():
            figures[f"{task}/loss"] = self.loss(task, table)
            metrics[task] = self.evaluator.evaluate(task, table).metrics
            figures.update({f"{task}/{name}": value for name, value in metrics[task].items()})
        figures["loss"] = float(np.mean([figures[f"{task}/loss"] for task in self.tables]))
        figures["mean"] = mean_of_main_metrics(metrics.values())
        return figures

    def loss(self, task: str, table: TokenTable) -> float:
        """Compute a task's mean loss over a table, in nats per token."""
        totals = np.zeros(2)
        for rows in padded_rows(len(table), self.batch_size):
            batch = make_batch(
                table,
                rows,
                input_length=self.input_length,
                target_length=self.target_length,
                task=self.model.task_names.index(task),
            )
            sums = self._step(share_out(self.strategy, batch))
            totals += [
                float(self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None))
                for value in sums
            ]
        return float(totals[0] / max(totals[1], 1.0))


def make_validator(
    settings: ResolvedRun, manifest: Manifest, model: TaskModel, strategy: tf.distribute.Strategy
) -> Validator | None:
    """Read the validation splits.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        model: That is being trained.
        strategy: That the model's variables live under.

    Returns:
        What validates the tasks that have the split; None when no task has one.
    """
    data, limit = settings.data, settings.training.validation_examples
    input_length, target_length = validation_lengths(settings, manifest)
    tables: dict[str, TokenTable] = {}
    for task in settings.tasks:
        if data.validation_split in manifest.task(task).splits:
            table = read_split(settings.dataset, manifest, task, data.validation_split)
            tables[task] = table.head(limit) if limit else table
    if not tables:
        return None
    evaluator = Evaluator(
        model,
        manifest,
        read_vocabulary(settings.dataset, manifest),
        batch_size=data.batch_size,
        input_length=input_length,
        strategy=strategy,
    )
    return Validator(
        model,
        tables,
        evaluator,
        strategy,
        batch_size=data.batch_size,
        input_length=input_length,
        target_length=target_length,
        loss_chunk=settings.training.loss_chunk,
    )


def validation_lengths(settings: ResolvedRun, manifest: Manifest) -> tuple[int, int]:
    """Choose the lengths of validation batches, which hold one example per row.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Returns:
        Input and target tokens: those of training, unless its rows are packed; then the longest
        there are.
    """
    data, split = settings.data, settings.data.validation_split
    if not packed_lengths(manifest, settings.tasks, data.train_split):
        return data.input_length, data.target_length
    entries = [manifest.task(task) for task in settings.tasks]
    splits = [entry.splits[split] for entry in entries if split in entry.splits]
    return (
        max((one.longest_input for one in splits), default=data.input_length),
        max((one.longest_target for one in splits), default=data.target_length),
    )
