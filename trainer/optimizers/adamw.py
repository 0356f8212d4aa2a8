"""AdamW with slots and steps per task row (Loshchilov and Hutter 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from trainer.optimizers.taskwise import TaskwiseOptimizer, Tensors


class TaskwiseAdamW(TaskwiseOptimizer):
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), per task row.

    Args:
        learning_rate: As `TaskwiseOptimizer`; so are `is_bank` and the keywords not listed here.
        beta_1: Decay of the gradient's mean.
        beta_2: Decay of its square's mean.
        epsilon: Added to the square root.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
        is_bank: Callable[[tf.Variable], bool],
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **keywords: Any,
    ):
        super().__init__(learning_rate, is_bank, **keywords)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slot_shapes(self, shape: tuple[int, ...], is_bank: bool) -> dict[str, tuple[int, ...]]:
        """Name first and second moments, of the variable's own shape."""
        return {"mean": shape, "square": shape}

    def update(
        self, gradient: tf.Tensor, value: tf.Tensor, slots: Tensors, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        """Compute one bias-corrected step."""
        mean = slots["mean"] + (1.0 - self.beta_1) * (gradient - slots["mean"])
        square = slots["square"] + (1.0 - self.beta_2) * (tf.square(gradient) - slots["square"])
        steps = slots["steps"]
        # 1 - beta^steps; float32 has too few digits for the difference, 1e-3 after the first step.
        unbiased_mean = mean / -tf.math.expm1(steps * math.log(self.beta_1))
        unbiased_square = square / -tf.math.expm1(steps * math.log(self.beta_2))
        change = -rate * unbiased_mean / (tf.sqrt(unbiased_square) + self.epsilon)
        return change, {"mean": mean, "square": square}
