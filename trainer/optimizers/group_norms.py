"""The norms of gradients, parameters and updates, by group of variables.

Shape letters: G groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import tensorflow as tf

from trainer.gradients.norms import global_norm
from trainer.gradients.task_rows import TaskRows
from trainer.optimizers.groups import GROUPS

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices | TaskRows


class GroupNorms:
    """Holds on the device what the last step's gradients and updates measured.

    Of a bank, both are of the rows of the step's tasks. Gradients are measured before they are
    clipped, updates as they are written: a step that was skipped has none. It is no part of a
    checkpoint. Make it in the strategy's scope.

    Args:
        groups: Of each variable, in the optimizer's order.
    """

    def __init__(self, groups: Sequence[str]):
        self.groups = tuple(groups)
        self.names = tuple(name for name in GROUPS if name in groups)
        self.gradient, self.update = _holder(len(self.names)), _holder(len(self.names))
        self._moved: dict[int, tf.Tensor] = {}

    def begin(self, numbers: Iterable[int], gradients: Iterable[Gradient]) -> None:
        """Measure a step's gradients; call it in replica context.

        Args:
            numbers: Of the step's variables, in the optimizer's order.
            gradients: Summed over replicas.
        """
        self._moved = {}
        pairs = list(zip(numbers, gradients, strict=True))
        parts = [
            [one for number, one in pairs if self.groups[number] == name] for name in self.names
        ]
        self.gradient.assign([global_norm(part) if part else 0.0 for part in parts])

    def note(self, number: int, change: tf.Tensor) -> None:
        """Measure what was added to a variable; call it in its update, on each replica.

        Args:
            number: Of the variable.
            change: The same on every replica, of which the first one's is taken.
        """
        if number not in self._moved:
            self._moved[number] = tf.reduce_sum(tf.square(tf.cast(change, tf.float32)))

    def end(self) -> None:
        """Take over what was measured of a step's updates; call it in replica context."""
        parts = [
            [square for number, square in self._moved.items() if self.groups[number] == name]
            for name in self.names
        ]
        self._moved = {}
        self.update.assign([tf.sqrt(tf.add_n(part)) if part else 0.0 for part in parts])

    def read(self, variables: Sequence[tf.Variable]) -> dict[str, float]:
        """Read the last step's norms, and measure the parameters as they are now.

        Args:
            variables: What the optimizer was built for; of a bank every row counts.

        Returns:
            `gradient_norm/<group>`, `parameter_norm/<group>` and `update_norm/<group>`.
        """
        parameters = [
            float(
                tf.linalg.global_norm(
                    [
                        tf.convert_to_tensor(variable)
                        for variable, group in zip(variables, self.groups, strict=True)
                        if group == name
                    ]
                )
            )
            for name in self.names
        ]
        figures = {"gradient": self.gradient.numpy(), "parameter": parameters}
        figures["update"] = self.update.numpy()
        return {
            f"{what}_norm/{name}": float(value)
            for what, values in figures.items()
            for name, value in zip(self.names, values, strict=True)
        }


def _holder(groups: int) -> tf.Variable:
    return tf.Variable(
        tf.zeros([groups]),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
