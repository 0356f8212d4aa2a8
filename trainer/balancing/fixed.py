"""The sum of the tasks' mean losses, times weights that are given."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from adapters_tf.runs.sections import BalancingConfig
from trainer.balancing.method import Balancing


class FixedWeights(Balancing):
    """Weigh each task as `balancing.weights` says, and those it does not name by 1.

    Args:
        task_names: The run's tasks.
        settings: Of the run.
        seed: Not used.
    """

    def __init__(self, task_names: Sequence[str], settings: BalancingConfig, seed: int):
        super().__init__(task_names, settings, seed)
        self.weights = [float(settings.weights.get(name, 1.0)) for name in task_names]

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Look the weights up."""
        return tf.gather(tf.constant(self.weights), tasks_M)
