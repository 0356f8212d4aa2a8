"""The Keras model that `fit` drives: the train step, and losses kept per task on the device.

Shape letters: K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel
from trainer.balancing.method import Balancing
from trainer.losses.tokens import PLAIN, TokenLoss
from trainer.steps.balanced_step import balanced_step
from trainer.steps.positions import Positions
from trainer.steps.skipped_steps import SkippedSteps
from trainer.steps.step import Batch, train_step

Shape = tuple[int, ...]


class TaskLosses(tf_keras.metrics.Metric):
    """Summed loss, tokens and batches of each task since the last reading.

    Args:
        tasks: K, how many.
    """

    def __init__(self, tasks: int):
        super().__init__(name="task_losses")
        self.tasks = tasks
        self.loss = self.add_weight("loss", shape=(tasks,), initializer="zeros")
        self.tokens = self.add_weight("tokens", shape=(tasks,), initializer="zeros")

    def update_state(self, loss_K: tf.Tensor, tokens_K: tf.Tensor) -> None:
        """Add one replica's share of a batch.

        Args:
            loss_K: float32 [K], summed, in nats.
            tokens_K: float32 [K].
        """
        self.loss.assign_add(loss_K)
        self.tokens.assign_add(tokens_K)

    def result(self) -> tf.Tensor:
        """Compute the mean loss over all tasks, in nats per token."""
        return tf.math.divide_no_nan(tf.reduce_sum(self.loss), tf.reduce_sum(self.tokens))

    def reset_state(self) -> None:
        """Start counting anew."""
        for total in (self.loss, self.tokens):
            total.assign(tf.zeros_like(total))

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Read and reset: float32 [K] summed losses and [K] tokens."""
        figures = self.loss.numpy(), self.tokens.numpy()
        self.reset_state()
        return figures


class FitModel(tf_keras.Model):
    """What `model.fit` is called on.

    Args:
        task_model: The model that is trained.
        loss: What is minimised.
        max_skipped_steps: How many steps in a row may not be taken before training stops.
        tasks_per_step: Microbatches in a batch, one after the other; of several shapes, of each.
        balancing: Combines what their gradients have in common; without it there is one.
    """

    def __init__(
        self,
        task_model: TaskModel,
        loss: TokenLoss = PLAIN,
        max_skipped_steps: int = 10,
        tasks_per_step: int | Sequence[int] = 1,
        balancing: Balancing | None = None,
    ):
        super().__init__(name="fit_model")
        self.task_model, self.token_loss = task_model, loss
        self.tasks_per_step, self.balancing = tasks_per_step, balancing
        self.task_losses = TaskLosses(len(task_model.task_names))
        self.positions = Positions()
        self.skipped_steps = SkippedSteps(len(task_model.task_names), max_skipped_steps)
        self._feed: Callable[[], Iterator[tuple[Shape, Any]]] | None = None

    def feed(self, sources: Mapping[Shape, Iterable[Batch]], order: Iterable[Shape]) -> None:
        """Take batches of several shapes, in place of those that `fit` is given.

        Args:
            sources: A distributed dataset for each shape.
            order: The shape of each step.
        """
        iterators = {shape: iter(source) for shape, source in sources.items()}
        self._feed = lambda: ((shape, iterators[shape]) for shape in order)

    def make_train_function(self, force: bool = False) -> Callable[[Any], Any]:
        """Make what `fit` calls for every step; Keras calls this.

        Args:
            force: Whether one that was made before is to be made anew.

        Returns:
            A function of an iterator. Of several shapes each has a program of its own: a program
            for all would have no static shape.
        """
        if self._feed is None:
            return super().make_train_function(force)
        programs: dict[Shape, Callable[[Any], Any]] = {}
        steps = self._feed()

        def train(_: Any) -> Any:
            shape, iterator = next(steps)
            if shape not in programs:
                programs[shape] = super(FitModel, self).make_train_function(force=True)
                self.train_function = train
            return programs[shape](iterator)

        self.train_function = train
        return train

    # Nothing branches in Python, and to look for it takes five seconds of a run's first step.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Take one optimizer step; Keras calls it in replica context."""
        model, optimizer, loss = self.task_model, self.optimizer, self.token_loss
        if self.balancing is None:
            loss_K, tokens_K, is_taken = train_step(model, optimizer, batch, loss)
        else:
            loss_K, tokens_K, is_taken = balanced_step(
                model, optimizer, batch, self.balancing, self.tasks_per_step, loss
            )
        self.skipped_steps.update(loss_K, tokens_K, is_taken)
        self.positions.update(batch)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        # One loss that is not finite would make a task's mean, of many steps, say nothing.
        self.task_losses.update_state(
            tf.where(is_taken, loss_K / replicas, 0.0), tf.where(is_taken, tokens_K / replicas, 0.0)
        )
        return {"loss": tf.math.divide_no_nan(tf.reduce_sum(loss_K), tf.reduce_sum(tokens_K))}
