"""Learning rates over a run: a linear warm-up, then one of several schedules.

After the warm-up they are those of Hugging Face's `transformers.optimization`; the warm-up itself
begins with a step above 0 here, where theirs wastes the first one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras


class WarmupSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Rise linearly to the peak, then follow a schedule.

    Args:
        peak: The learning rate at the end of the warm-up.
        warmup_steps: Steps from 0 to the peak; 0 for none.
        ends: Steps where the schedules that fall to `end` reach it, rising. From each but the last
            the schedule begins anew, with its warm-up; after the last the rate stays.
        schedule: A name in `SCHEDULES`.
        end: The learning rate that linear, cosine, cosine_with_restarts and polynomial fall to.
        power: Of polynomial: 1 is linear.
        cycles: Of cosine_with_restarts: how many times it falls.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int,
        ends: Sequence[int],
        schedule: str,
        *,
        end: float = 0.0,
        power: float = 1.0,
        cycles: int = 1,
    ):
        self.peak, self.warmup_steps = peak, warmup_steps
        self.ends, self.schedule = tuple(ends), schedule
        self.end, self.power, self.cycles = end, power, cycles

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Compute the float32 scalar learning rate of step `step`, counted from 0."""
        done, total = self._since_begun(tf.cast(step, tf.float32))
        warmup = float(self.warmup_steps)
        rise = tf.minimum(1.0, (done + 1.0) / max(warmup, 1.0))
        share = (done - warmup) / tf.maximum(total - warmup, 1.0)
        fall = SCHEDULES[self.schedule](self, done, tf.clip_by_value(share, 0.0, 1.0))
        end = 0.0 if self.schedule in OPEN_ENDED else self.end
        return rise * (end + (self.peak - end) * fall)

    def _since_begun(self, step: tf.Tensor) -> tuple[tf.Tensor, float | tf.Tensor]:
        """Count the steps since the schedule began, and those it is laid out for."""
        begun, total = 0.0, float(self.ends[0])
        for start, end in itertools.pairwise(self.ends):
            is_past = step >= float(start)
            begun = tf.where(is_past, float(start), begun)
            total = tf.where(is_past, float(end - start), total)
        return step - begun, total

    def get_config(self) -> dict[str, Any]:
        """List the constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "ends": self.ends,
            "schedule": self.schedule,
            "end": self.end,
            "power": self.power,
            "cycles": self.cycles,
        }


# Of a schedule, the steps done and their share of those after the warm-up: what is left, 1 to 0.
Fall = Callable[[WarmupSchedule, tf.Tensor, tf.Tensor], tf.Tensor]


def _constant(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(share)


def _linear(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return 1.0 - share


def _polynomial(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return tf.pow(1.0 - share, chosen.power)


def _cosine(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return 0.5 * (1.0 + tf.cos(math.pi * share))


def _cosine_with_restarts(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    within = tf.math.floormod(share * chosen.cycles, 1.0)
    return tf.where(share >= 1.0, 0.0, _cosine(chosen, done, within))


def _inverse_square_root(chosen: WarmupSchedule, done: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """T5's schedule (Raffel et al. 2020, arXiv 1910.10683, section 3.1.2), scaled to the peak."""
    warmup = max(float(chosen.warmup_steps), 1.0)
    return tf.math.rsqrt(tf.maximum(done + 1.0, warmup) / warmup)


SCHEDULES: Mapping[str, Fall] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _cosine_with_restarts,
    "polynomial": _polynomial,
    "inverse_square_root": _inverse_square_root,
}
# Those whose rates do not depend on how many steps the run has in all, so that it can be extended.
OPEN_ENDED = ("constant", "inverse_square_root")
