"""Lion with momentum and steps per task row (Chen et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from trainer.optimizers.taskwise import TaskwiseOptimizer, Tensors


class TaskwiseLion(TaskwiseOptimizer):
    """Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2), per task row.

    Every weight moves by the rate, up or down: rates are three to ten times below AdamW's, and
    weight decays as many times above. One slot of the weights' size, where AdamW has two.

    Args:
        learning_rate: As `TaskwiseOptimizer`; so are `is_bank` and the keywords not listed here.
        beta_1: Weight of the momentum, beside the gradient, in the direction of a step.
        beta_2: Decay of the momentum.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
        is_bank: Callable[[tf.Variable], bool],
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **keywords: Any,
    ):
        super().__init__(learning_rate, is_bank, **keywords)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def slot_shapes(self, shape: tuple[int, ...], is_bank: bool) -> dict[str, tuple[int, ...]]:
        """Name the momentum, of the variable's own shape."""
        return {"mean": shape}

    def update(
        self, gradient: tf.Tensor, value: tf.Tensor, slots: Tensors, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        """Compute one step by signs."""
        mean = slots["mean"]
        direction = tf.sign(self.beta_1 * mean + (1.0 - self.beta_1) * gradient)
        return -rate * direction, {"mean": self.beta_2 * mean + (1.0 - self.beta_2) * gradient}
