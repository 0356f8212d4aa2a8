"""Score every task of a run on its validation split, during training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from eval import Evaluator
from eval.prediction import padded_rows, share_out
from prep import Manifest, TokenTable, make_batch
from trainer.step import validation_step


class Validator:
    """Computes each task's loss and metrics, and the mean over tasks.

    Args:
        model: That is being trained.
        tables: The validation tokens of each task.
        manifest: Of the dataset.
        evaluator: Scores predictions; its compiled programs are kept between validations.
        strategy: That the model's variables live under.
        batch_size: Examples per global batch.
        input_length: Static length of inputs, in tokens.
        target_length: Static length of targets, in tokens.
    """

    def __init__(
        self,
        model: TaskModel,
        tables: Mapping[str, TokenTable],
        manifest: Manifest,
        evaluator: Evaluator,
        strategy: tf.distribute.Strategy,
        *,
        batch_size: int,
        input_length: int,
        target_length: int,
    ):
        self.model, self.tables, self.manifest = model, tables, manifest
        self.evaluator, self.strategy = evaluator, strategy
        self.batch_size = batch_size
        self.input_length, self.target_length = input_length, target_length
        self._step = tf.function(
            lambda batch: strategy.run(validation_step, args=(model, batch)), reduce_retracing=True
        )

    def run(self) -> dict[str, float]:
        """Validate all tasks.

        Returns:
            `<task>/loss` in nats per token, `<task>/<metric>`, and over tasks `loss` (their mean)
            and `mean` (of each task's first metric).
        """
        figures: dict[str, float] = {}
        for task, table in self.tables.items():
            figures[f"{task}/loss"] = self.loss(task, table)
            result = self.evaluator.evaluate(task, table)
            figures.update({f"{task}/{name}": value for name, value in result.metrics.items()})
        figures["loss"] = float(np.mean([figures[f"{task}/loss"] for task in self.tables]))
        figures["mean"] = float(
            np.mean(
                [figures[f"{task}/{self.manifest.task(task).metrics[0]}"] for task in self.tables]
            )
        )
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
