"""Adafactor with slots and steps per task row (Shazeer and Stern 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from trainer.optimizers.taskwise import TaskwiseOptimizer, Tensors


class TaskwiseAdafactor(TaskwiseOptimizer):
    """Adafactor (Shazeer and Stern 2018, arXiv 1804.04235, algorithm 5), per task row.

    Without momentum; matrices keep one mean per row and per column. The constants are the
    paper's: second-moment decay 1 - t^-0.8, update clipping at 1, epsilons 1e-30 and 1e-3.

    Args:
        learning_rate: As `TaskwiseOptimizer`; so are `is_bank` and the keywords not listed here.
        scale_by_parameter: Whether steps are relative to the parameter's root mean square.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
        is_bank: Callable[[tf.Variable], bool],
        *,
        scale_by_parameter: bool = True,
        **keywords: Any,
    ):
        super().__init__(learning_rate, is_bank, **keywords)
        self.scale_by_parameter = scale_by_parameter

    def slot_shapes(self, shape: tuple[int, ...], is_bank: bool) -> dict[str, tuple[int, ...]]:
        """Name row and column means for matrices, the full second moment for vectors."""
        leading, own = (shape[:1], shape[1:]) if is_bank else ((), shape)
        if len(own) < 2:
            return {"square": shape}
        return {"row": leading + own[:-1], "column": leading + own[:-2] + own[-1:]}

    def update(
        self, gradient: tf.Tensor, value: tf.Tensor, slots: Tensors, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        """Compute one factored, clipped step."""
        kept = 1.0 - tf.pow(slots["steps"], -0.8)
        square = tf.square(gradient) + 1e-30
        if "square" in slots:
            new = {"square": kept * slots["square"] + (1.0 - kept) * square}
            scaled = gradient * tf.math.rsqrt(new["square"])
        else:
            row = kept * slots["row"] + (1.0 - kept) * tf.reduce_mean(square, -1)
            column = kept * slots["column"] + (1.0 - kept) * tf.reduce_mean(square, -2)
            new = {"row": row, "column": column}
            factor = tf.math.rsqrt(row / tf.reduce_mean(row, -1, keepdims=True))
            scaled = gradient * factor[..., None] * tf.math.rsqrt(column)[..., None, :]
        scaled /= tf.maximum(1.0, _root_mean_square(scaled))
        if self.scale_by_parameter:
            rate = rate * tf.maximum(1e-3, _root_mean_square(value))
        return -rate * scaled, new


def _root_mean_square(tensor: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(tf.square(tensor)))
