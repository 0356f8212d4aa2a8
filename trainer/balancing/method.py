"""What every balancing method is: weights for the gradients of a step's microbatches.

They act on the variables that tasks share. A bank's rows get their own task's gradient, whatever
the method.

Shape letters: M microbatches of a step, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from adapters_tf.runs.sections import BalancingConfig


@dataclass(frozen=True)
class StepFigures:
    """What a step came to, the same on every replica.

    Attributes:
        tasks: int32 [M], the task of each microbatch.
        losses: float32 [M], mean loss in nats per token.
        weights: float32 [M], what the method gave.
        gram: float32 [M, M], the products of the microbatches' gradients of all that is shared;
            None where the method does not look at gradients.
    """

    tasks: tf.Tensor
    losses: tf.Tensor
    weights: tf.Tensor
    gram: tf.Tensor | None


class Balancing(tf.Module):
    """The base of all methods: the gradients of the microbatches' mean losses, as they are.

    Attributes:
        looks_at: What its weights depend on: `tokens`, and then one gradient is kept in a step;
            `losses`, with which it is one too if there is one replica; or `gradients`, all M of
            which are kept.
        needs_shared: Whether without shared variables it would do nothing.

    Args:
        task_names: The run's tasks.
        settings: Of the run.
        seed: Likewise.
    """

    looks_at: ClassVar[str] = "tokens"
    needs_shared: ClassVar[bool] = True

    def __init__(self, task_names: Sequence[str], settings: BalancingConfig, seed: int):
        super().__init__(name=type(self).__name__)
        self.tasks, self.settings, self.seed = len(task_names), settings, seed

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Weigh the microbatches before their losses are known.

        Args:
            tasks_M: int32.
            tokens_M: float32, weighted target tokens.

        Returns:
            float32 [M].
        """
        return tf.ones_like(tokens_M)

    def weigh(self, prior: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Weigh microbatches whose losses are known, each by itself.

        Args:
            prior: float32, of one or of all.
            loss: float32, of the same shape.

        Returns:
            float32, likewise.
        """
        return prior

    def scale(self, weights_M: tf.Tensor) -> tf.Tensor:
        """Tell what the weighted sum of a step's gradients is multiplied with.

        Args:
            weights_M: float32, from `weigh`.

        Returns:
            float32 scalar.
        """
        return tf.ones([])

    def combine(self, weights_M: tf.Tensor, gram_MM: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Choose, from the products of gradients, how much of each the step takes.

        Args:
            weights_M: float32, from `weigh`, scaled.
            gram_MM: float32.
            step: int64 scalar, steps done.

        Returns:
            float32 [M]. Only methods that look at gradients are asked.
        """
        return weights_M

    def learn(self, figures: StepFigures, is_taken: tf.Tensor) -> None:
        """Change what the method knows, after a step; call it in replica context.

        Args:
            figures: Of the step.
            is_taken: Whether it was taken; if not, nothing changes. Bool scalar.
        """
        del figures, is_taken  # Nothing is learned here. AutoGraph takes no empty functions.

    def learned_by_task(self) -> dict[str, tf.Variable]:
        """Name what the method has learned of each task, float32 [K], to be logged."""
        return {}


def find_present(tasks_M: tf.Tensor, tasks: int) -> tf.Tensor:
    """Find which tasks a step is of.

    Args:
        tasks_M: int32, the task of each microbatch.
        tasks: K, how many there are.

    Returns:
        bool [K].
    """
    return tf.reduce_any(tasks_M[:, None] == tf.range(tasks), 0)


def of_replicas(initial: tf.Tensor, name: str) -> tf.Variable:
    """Make a variable that every replica computes alike; call it in the strategy's scope.

    Args:
        initial: Its value.
        name: Its name.

    Returns:
        The variable, which does not train by itself.
    """
    return tf.Variable(
        initial,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
