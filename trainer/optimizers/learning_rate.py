"""Learning rates over a run: a linear warm-up, then one of several schedules."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

SCHEDULES = ("constant", "linear", "cosine", "inverse_square_root")
# Those whose rates do not depend on how many steps the run has in all, so that it can be extended.
OPEN_ENDED = ("constant", "inverse_square_root")


class WarmupSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Rise linearly to the peak, then follow a schedule.

    Args:
        peak: The learning rate at the end of the warm-up.
        warmup_steps: Steps from 0 to the peak; 0 for none.
        total_steps: Steps of the run: where linear and cosine schedules reach 0.
        schedule: One of `SCHEDULES`; inverse_square_root is T5's pre-training schedule
            (Raffel et al. 2020, arXiv 1910.10683, section 3.1.2), scaled to the peak.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, schedule: str):
        self.peak, self.warmup_steps = peak, warmup_steps
        self.total_steps, self.schedule = total_steps, schedule

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Compute the float32 scalar learning rate of step `step`, counted from 0."""
        done = tf.cast(step, tf.float32)
        warmup = float(self.warmup_steps)
        rise = tf.minimum(1.0, (done + 1.0) / max(warmup, 1.0))
        share = (done - warmup) / max(self.total_steps - warmup, 1.0)
        share = tf.clip_by_value(share, 0.0, 1.0)
        if self.schedule == "linear":
            fall = 1.0 - share
        elif self.schedule == "cosine":
            fall = 0.5 * (1.0 + tf.cos(3.141592653589793 * share))
        elif self.schedule == "inverse_square_root":
            fall = tf.math.rsqrt(tf.maximum(done + 1.0, max(warmup, 1.0)) / max(warmup, 1.0))
        else:
            fall = tf.ones_like(share)
        return self.peak * rise * fall

    def get_config(self) -> dict[str, float | int | str]:
        """List the constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "schedule": self.schedule,
        }
