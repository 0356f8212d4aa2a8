"""Heads on the encoder: a class, a number, or the best of several choices, without decoding.

Every task has a row of the heads' variables, so that one program answers all of them. A row is n
dense layers with tanh, dropout before each, and one layer on top, as RoBERTa's and Hugging Face's
T5's classification heads are (with n = 1). A multiple choice has one scorer for all its choices.

Shape letters: B batch, C choices, S source length, D model width, O outputs, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.banks.routing import task_dense, task_matmul, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant, normal
from adapters_tf.errors import ConfigurationError, suggest

POOLINGS = ("mean", "first", "attention")
KINDS = ("classification", "regression", "multiple_choice")
PATH = "heads"  # of the variables, in checkpoints
# How the paths begin of what a task that a head answers does not reach.
OF_DECODER = ("decoder.", "lm_head.", "prefix.decoder.", "prefix.cross.")
_NEVER = -1e9  # the score of a class that a task has not


@dataclass(frozen=True)
class HeadOf:
    """What the head of one task answers.

    Attributes:
        kind: One of `KINDS`.
        answers: Classes, or choices; 1 of a regression.
        words: Of the classes, in their order; none where they are not known.
    """

    kind: str
    answers: int = 1
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(
                f"a head answers no {self.kind!r}; {suggest(self.kind, KINDS)}"
            )
        least = 1 if self.kind == "regression" else 2
        if self.answers < least:
            raise ConfigurationError(
                f"a head of kind {self.kind} needs {least} answers or more, got {self.answers}"
            )

    @property
    def choices(self) -> int:
        """Texts that it scores one by one; 0 where it answers one text."""
        return self.answers if self.kind == "multiple_choice" else 0

    @property
    def outputs(self) -> int:
        """Columns of the last layer that it uses."""
        return self.answers if self.kind == "classification" else 1


@dataclass(frozen=True)
class HeadShape:
    """How the heads of a model are built.

    Attributes:
        pooling: What becomes of the encoder's states: their `mean` over tokens, the `first`, or
            their mean with weights that a query of the task's own decides (`attention`).
        layers: Dense layers between that and the last one.
        dropout: Before each layer.
    """

    pooling: str = "mean"
    layers: int = 0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ConfigurationError(
                f"heads.pooling {self.pooling!r} is unknown; {suggest(self.pooling, POOLINGS)}"
            )
        if self.layers < 0:
            raise ConfigurationError(f"heads.layers must be 0 or more, got {self.layers}")
        if not 0 <= self.dropout < 1:
            raise ConfigurationError(f"heads.dropout must be from 0 to below 1, got {self.dropout}")


class TaskHeads(TaskBank):
    """The heads of all tasks; rows of tasks that have none stay as they are drawn.

    Args:
        task_names: K of them, one per row.
        tasks: What is answered, by task; the others have no head.
        width: D.
        shape: How heads are built.
        seed: Of the initial weights.

    Raises:
        ConfigurationError: A task that the model has not.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        tasks: Mapping[str, HeadOf],
        width: int,
        shape: HeadShape,
        seed: int,
    ):
        # In float32 whatever the precision: they see one vector an example.
        super().__init__(task_names, PATH, seed, name="heads", dtype="float32")
        for task in tasks:
            if task not in task_names:
                raise ConfigurationError(
                    f"heads.tasks {task!r} is unknown; {suggest(task, task_names)}"
                )
        self.tasks, self.shape = dict(tasks), shape
        self.outputs = max(head.outputs for head in tasks.values())
        deviation = width**-0.5  # as Hugging Face's T5ClassificationHead
        for number in range(shape.layers):
            self.add_bank(f"hidden_{number}_kernel", (width, width), normal(deviation))
            self.add_bank(f"hidden_{number}_bias", (width,), constant(0.0))
        if shape.pooling == "attention":
            self.add_bank("query", (width,), constant(0.0))  # all tokens weigh the same at first
        self.add_bank("output_kernel", (width, self.outputs), normal(deviation))
        self.add_bank("output_bias", (self.outputs,), constant(0.0))
        rate = shape.dropout
        self.dropouts = [
            tf_keras.layers.Dropout(rate, dtype="float32") for _ in range(shape.layers + 1)
        ]
        heads = [tasks.get(name) for name in task_names]
        self.answers_K = [head.answers if head else 0 for head in heads]
        self.is_number_K = [bool(head and head.kind == "regression") for head in heads]
        self.built = True

    def pool(self, states_BSD: tf.Tensor, is_token_BS: tf.Tensor) -> tf.Tensor:
        """Make one vector of a text's states.

        Args:
            states_BSD: float32 [B, S, D].
            is_token_BS: bool [B, S].

        Returns:
            float32 [B, D]; 0 where there is no token.
        """
        if self.shape.pooling == "first":
            return states_BSD[:, 0] * tf.cast(is_token_BS[:, :1], tf.float32)
        weights_BS = tf.cast(is_token_BS, tf.float32)
        if self.shape.pooling == "attention":
            scale = states_BSD.shape[-1] ** -0.5
            scores_BS = tf.reduce_sum(states_BSD * task_vector(self.query), -1) * scale
            scores_BS = tf.where(is_token_BS, scores_BS, _NEVER)
            weights_BS *= tf.nn.softmax(scores_BS)
        total_B1 = tf.reduce_sum(weights_BS, 1, keepdims=True)
        weights_BS = tf.math.divide_no_nan(weights_BS, total_B1)
        return tf.reduce_sum(states_BSD * weights_BS[..., None], 1)

    def call(
        self,
        states_BSD: tf.Tensor,
        is_token_BS: tf.Tensor,
        training: bool = False,
        of_choices: bool = False,
    ) -> tf.Tensor:
        """Answer by the routed task's head.

        Args:
            states_BSD: [B, S, D] encoder states.
            is_token_BS: bool [B, S].
            training: Whether dropout is on.
            of_choices: Whether the texts are choices. The last layer's bias, the same for all of
                an example's, is left out then: its gradient would be rounding errors alone, which
                optimizers scale up.

        Returns:
            float32 [B, O].
        """
        hidden_B1D = self.pool(tf.cast(states_BSD, tf.float32), is_token_BS)[:, None]
        for number, dropout in enumerate(self.dropouts[:-1]):
            kernel = getattr(self, f"hidden_{number}_kernel")
            bias = getattr(self, f"hidden_{number}_bias")
            dropped = dropout(hidden_B1D, training=training)
            hidden_B1D = tf.tanh(task_dense(dropped, kernel, bias))
        dropped = self.dropouts[-1](hidden_B1D, training=training)
        if of_choices:
            return task_matmul(dropped, self.output_kernel)[:, 0]
        return task_dense(dropped, self.output_kernel, self.output_bias)[:, 0]

    def mask_answers(self, scores_BO: tf.Tensor, task_B: tf.Tensor) -> tf.Tensor:
        """Leave a task the classes that it has; a number, in the first column, stays.

        Args:
            scores_BO: float32 [B, O].
            task_B: int32 [B].

        Returns:
            float32 [B, O].
        """
        count_B = tf.maximum(tf.gather(tf.constant(self.answers_K), task_B), 1)
        return tf.where(tf.range(self.outputs) < count_B[:, None], scores_BO, _NEVER)

    def is_number(self, task_B: tf.Tensor) -> tf.Tensor:
        """Tell which examples are of a regression, bool [B]."""
        return tf.gather(tf.constant(self.is_number_K), task_B)

    def count_answers(self, task_B: tf.Tensor) -> tf.Tensor:
        """Count the classes or choices of each example's task, int32 [B]."""
        return tf.gather(tf.constant(self.answers_K), task_B)


def used_part(head: HeadOf, name: str) -> tuple[Any, ...]:
    """Tell what of a row of a variable a task uses.

    Args:
        head: Of the task.
        name: Of the variable.

    Returns:
        Slices: all of it, but for the columns of the last layer that are other tasks'.
    """
    return (..., slice(head.outputs)) if name.startswith("output_") else (...,)


def read_heads(
    kinds: Mapping[str, str], answers: Mapping[str, int], words: Mapping[str, Sequence[str]]
) -> dict[str, HeadOf]:
    """Read what settings say of heads.

    Args:
        kinds: By task.
        answers: Classes or choices, by task.
        words: Of the classes, by task.

    Returns:
        What each answers.

    Raises:
        ConfigurationError: One of them cannot be.
    """
    return {
        task: HeadOf(kind, answers.get(task, 0), tuple(words.get(task, ())))
        for task, kind in kinds.items()
    }
