"""Weights of learned uncertainty (Kendall, Gal and Cipolla 2018, arXiv 1705.07115)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from adapters_tf.runs.sections import BalancingConfig
from trainer.balancing.learned import LearnedByTask
from trainer.balancing.method import Balancing, StepFigures


class Uncertainty(Balancing):
    """Weigh a task by the inverse of a variance that is learned with it.

    The loss of a task is L exp(-s) + s / 2, where s = log σ² (equation 10, of classification). So
    the weight of a task whose loss is L tends to 1 / (2 L).

    Args:
        task_names: The run's tasks.
        settings: `rate` is that of s.
        seed: Not used.
    """

    def __init__(self, task_names: Sequence[str], settings: BalancingConfig, seed: int):
        super().__init__(task_names, settings, seed)
        self.log_variance = LearnedByTask(self.tasks, 0.0, settings.rate)

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Compute the weights."""
        return tf.exp(-tf.gather(self.log_variance.value, tasks_M))

    def learn(self, figures: StepFigures, is_taken: tf.Tensor) -> None:
        """Descend on s."""
        gradient_M = 0.5 - figures.weights * figures.losses
        self.log_variance.descend(gradient_M, figures.tasks, is_taken)

    def learned_by_task(self) -> dict[str, tf.Variable]:
        """Name the logarithms of the variances."""
        return {"log_variance": self.log_variance.value}
