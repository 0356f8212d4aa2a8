"""FAMO, fast adaptive multitask optimization (Liu et al. 2023, arXiv 2306.03792)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from adapters_tf.runs.sections import BalancingConfig
from trainer.balancing.learned import LearnedByTask
from trainer.balancing.method import Balancing, StepFigures, find_present, of_replicas

_LEAST = 1e-8  # nats; of a loss of 0, whose logarithm is none


class FAMO(Balancing):
    """Let the losses of all tasks fall at one pace, in per cent.

    A task's weight is z / L, where z is a softmax of learned numbers over the step's microbatches,
    and all are scaled such that they are a weighted mean of the losses' logarithms (algorithm 1).
    The paper computes the losses of the same batch again after the step, to see how far they fell.
    Here they are compared with those of the task's next batch, so that a step costs what a sum of
    losses costs; batches differ, and their noise is in what is learned.

    Args:
        task_names: The run's tasks.
        settings: `rate` and `weight_decay` are those of the learned numbers.
        seed: Not used.
    """

    looks_at = "losses"

    def __init__(self, task_names: Sequence[str], settings: BalancingConfig, seed: int):
        super().__init__(task_names, settings, seed)
        self.logits = LearnedByTask(self.tasks, 0.0, settings.rate)
        # Of the task's last step; not a number before the first.
        self.previous = of_replicas(tf.fill([self.tasks], float("nan")), "previous")

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Compute the softmax over the step's microbatches."""
        return tf.nn.softmax(tf.gather(self.logits.value, tasks_M))

    def weigh(self, prior: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Turn gradients of losses into those of their logarithms.

        What has a loss of 0 has no gradient either: it weighs nothing, or nothing else would.
        """
        return tf.where(loss > _LEAST, prior / tf.maximum(loss, _LEAST), 0.0)

    def scale(self, weights_M: tf.Tensor) -> tf.Tensor:
        """Let the weights add up to 1."""
        return tf.math.divide_no_nan(1.0, tf.reduce_sum(weights_M))

    def learn(self, figures: StepFigures, is_taken: tf.Tensor) -> None:
        """Give more weight to tasks whose losses fell by less."""
        tasks_M = figures.tasks
        logarithm_M = tf.math.log(tf.maximum(figures.losses, _LEAST))
        before_M = tf.gather(self.previous, tasks_M)
        fall_M = tf.where(tf.math.is_nan(before_M), 0.0, before_M - logarithm_M)
        logits_M = tf.gather(self.logits.value, tasks_M)
        softmax_M = tf.nn.softmax(logits_M)
        gradient_M = softmax_M * (fall_M - tf.reduce_sum(softmax_M * fall_M))
        gradient_M += self.settings.weight_decay * logits_M
        self.logits.descend(gradient_M, tasks_M, is_taken)
        # Of two microbatches of one task, the mean.
        mean_K = tf.math.unsorted_segment_mean(logarithm_M, tasks_M, self.tasks)
        is_there_K = find_present(tasks_M, self.tasks)
        previous = tf.convert_to_tensor(self.previous)
        self.previous.assign(tf.where(is_there_K & is_taken, mean_K, previous))

    def learned_by_task(self) -> dict[str, tf.Variable]:
        """Name the learned numbers."""
        return {"logit": self.logits.value}
