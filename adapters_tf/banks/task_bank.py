"""Weights of all tasks at one place in the model: each variable stacked over tasks.

Shape letters: K tasks.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(deviation: float) -> Draw:
    """Draw from N(0, deviation²)."""
    return lambda random, shape: random.normal(0.0, deviation, shape)


def uniform(bound: float) -> Draw:
    """Draw from [-bound, bound)."""
    return lambda random, shape: random.uniform(-bound, bound, shape)


def constant(value: float | np.ndarray) -> Draw:
    """Start every task from the same value."""
    return lambda random, shape: np.broadcast_to(value, shape)


class TaskRows(tf_keras.initializers.Initializer):
    """Draw each task's row by its own name.

    A row depends on (seed, path, task name) alone, so the same task starts from the same weights
    whichever other tasks share the bank and in whatever order.

    Args:
        draw: Draws a row.
        seed: Of all rows.
        path: Of the bank.
        task_names: One per row.
    """

    def __init__(self, draw: Draw, seed: int, path: str, task_names: tuple[str, ...]):
        self.draw, self.seed, self.path, self.task_names = draw, seed, path, task_names

    def __call__(
        self, shape: tuple[int, ...], dtype: tf.DType | None = None, **kwargs: Any
    ) -> tf.Tensor:
        """Draw the bank, shape [K, …]."""
        rows = [
            self.draw(
                np.random.default_rng(
                    [self.seed, zlib.crc32(self.path.encode()), zlib.crc32(task.encode())]
                ),
                tuple(shape[1:]),
            )
            for task in self.task_names
        ]
        return tf.constant(np.stack(rows), dtype or tf.float32)


class TaskBank(tf_keras.layers.Layer):
    """The weights of one adapter method at one place, a row per task.

    Args:
        task_names: One per bank row.
        path: Where in the model; with the seed it decides the initial weights.
        seed: Of the initial weights.
    """

    def __init__(self, task_names: tuple[str, ...], path: str, seed: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.task_names, self.path, self.seed = task_names, path, seed
        self._bank_names: list[str] = []
        self._shared_names: list[str] = []

    def add_bank(self, name: str, shape: tuple[int, ...], draw: Draw) -> tf.Variable:
        """Create a variable with one row per task.

        Args:
            name: Of the variable; it becomes an attribute.
            shape: Of one row.
            draw: A row's initial value.

        Returns:
            float32 [K, …].
        """
        rows = TaskRows(draw, self.seed, f"{self.path}.{name}", self.task_names)
        bank = self.add_weight(name, (len(self.task_names), *shape), initializer=rows)
        self._bank_names.append(name)
        setattr(self, name, bank)
        return bank

    def add_shared(self, name: str, shape: tuple[int, ...], draw: Draw) -> tf.Variable:
        """Create a variable that all tasks share.

        Args:
            name: Of the variable, in `shared`.
            shape: Its shape.
            draw: Its initial value; it depends on (seed, path, name) alone.

        Returns:
            float32.
        """
        seeds = [self.seed, zlib.crc32(f"{self.path}.{name}".encode())]

        def initialize(
            shape: tuple[int, ...], dtype: tf.DType | None = None, **kwargs: Any
        ) -> tf.Tensor:
            random = np.random.default_rng(seeds)
            return tf.constant(draw(random, tuple(shape)), dtype or tf.float32)

        shared = self.add_weight(name, shape, initializer=initialize)
        self._shared_names.append(name)
        # In a dictionary Keras would find it again, and train it once it is frozen.
        setattr(self, f"shared_{name}", shared)
        return shared

    @property
    def banks(self) -> dict[str, tf.Variable]:
        """The variables with one row per task, by name."""
        return {name: getattr(self, name) for name in self._bank_names}

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The variables that all tasks share, by name; most methods have none."""
        return {name: getattr(self, f"shared_{name}") for name in self._shared_names}
