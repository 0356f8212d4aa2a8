"""GradNorm, gradients of lengths that balance the tasks (Chen et al. 2018, arXiv 1711.02257)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from adapters_tf.runs.sections import BalancingConfig
from trainer.balancing.learned import LearnedByTask
from trainer.balancing.method import Balancing, StepFigures, find_present, of_replicas

_LEAST = 1e-4  # of a weight
_LEAST_LOSS = 1e-8  # nats; by less nothing is divided


class GradNorm(Balancing):
    """Let the weighted gradients of all tasks be as long as their pace of learning asks for.

    A task that has brought its loss down by less than the others, since its first step, gets the
    longer gradient (algorithm 1). The paper measures gradients at the last shared layer, to save
    time; here they are those of all that is shared, and are there anyway.

    Args:
        task_names: The run's tasks.
        settings: `rate` is that of the weights, `alpha` how strongly the pace pulls.
        seed: Not used.
    """

    looks_at = "gradients"

    def __init__(self, task_names: Sequence[str], settings: BalancingConfig, seed: int):
        super().__init__(task_names, settings, seed)
        self.weight = LearnedByTask(self.tasks, 1.0, settings.rate)
        # Of the task's first step; not a number before it.
        self.initial = of_replicas(tf.fill([self.tasks], float("nan")), "initial")

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Look the weights up."""
        return tf.gather(self.weight.value, tasks_M)

    def learn(self, figures: StepFigures, is_taken: tf.Tensor) -> None:
        """Descend on the distance between the gradients' lengths and what they should be."""
        tasks_M = figures.tasks
        mean_K = tf.math.unsorted_segment_mean(figures.losses, tasks_M, self.tasks)
        is_there_K = find_present(tasks_M, self.tasks)
        initial = tf.convert_to_tensor(self.initial)
        is_first_K = tf.math.is_nan(initial) & is_there_K & is_taken
        initial = tf.where(is_first_K, mean_K, initial)
        self.initial.assign(initial)
        ratio_M = figures.losses / tf.maximum(tf.gather(initial, tasks_M), _LEAST_LOSS)
        pace_M = tf.math.divide_no_nan(ratio_M, tf.reduce_mean(ratio_M))
        norm_M = tf.sqrt(tf.linalg.diag_part(figures.gram))
        weighted_M = figures.weights * norm_M
        target_M = tf.reduce_mean(weighted_M) * pace_M**self.settings.alpha
        self.weight.descend(tf.sign(weighted_M - target_M) * norm_M, tasks_M, is_taken)
        weight_K = tf.convert_to_tensor(self.weight.value)
        positive_K = tf.maximum(weight_K, _LEAST)
        # They add up to the number of tasks.
        scaled_K = positive_K * (self.tasks / tf.reduce_sum(positive_K))
        self.weight.value.assign(tf.where(is_taken, scaled_K, weight_K))

    def learned_by_task(self) -> dict[str, tf.Variable]:
        """Name the weights."""
        return {"weight": self.weight.value}
