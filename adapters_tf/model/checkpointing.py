"""Gradient checkpointing: blocks of T5 whose insides are computed again for their gradients.

Between the forward and the backward pass a block then keeps what went in and what came out. Chen
et al. 2016, "Training deep nets with sublinear memory cost" (arXiv 1604.06174); what TensorFlow
offers, `tf.recompute_grad`, ties the second computation to the gradient in a way that XLA undoes.

Shape letters: B batch, S sequence length, D model width, N heads, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from transformers.models.t5.modeling_tf_t5 import TFT5Block

from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.banks.routing import routed_task, routed_to
from adapters_tf.model.task_model import TaskModel

Tensors = tuple[tf.Tensor, ...]
# What the first block of a stack makes and the others are handed.
_BIASES = ("position_bias", "encoder_decoder_position_bias")
Trained = Callable[[], Sequence[tf.Variable]]


def recompute(
    function: Callable[..., Tensors],
    inputs: Sequence[tf.Tensor],
    trained: Trained,
    *,
    is_compiled: bool,
) -> Tensors:
    """Call a function now, and once more when its gradient is asked for.

    Args:
        function: Of the inputs and of variables; whatever other tensor it used would have no
            gradient. It does the same every time it is called.
        inputs: Of floats.
        trained: Lists the variables whose gradients are wanted.
        is_compiled: Whether XLA compiles the program; it would otherwise find that the second
            computation is the first, and keep what that made.

    Returns:
        What the function returns, one tensor or more.
    """
    task = routed_task()

    @tf.custom_gradient
    def apply(*inputs: tf.Tensor) -> tuple[Tensors, Callable[..., Any]]:
        def gradient(*upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> Any:
            """Compute the gradients by inputs and variables."""
            wanted = {variable.ref() for variable in trained()}
            watched = [variable for variable in variables if variable.ref() in wanted]
            held = (_after_compiled if is_compiled else _after_traced)(inputs, upstream)
            with routed_to(task), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([*held, *watched])
                outputs = function(*held)
            by_inputs, by_watched = tape.gradient(outputs, (held, watched), upstream)
            found = {one.ref(): by_one for one, by_one in zip(watched, by_watched, strict=True)}
            return by_inputs, [found.get(variable.ref()) for variable in variables]

        return function(*inputs), gradient

    return apply(*inputs)


def _after_compiled(inputs: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Copy inputs once something else is there; XLA cannot tell the copies to be equal to them."""
    return xla.optimization_barrier(*inputs, *upstream)[: len(inputs)]


def _after_traced(inputs: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    with tf.control_dependencies(upstream):
        return [tf.identity(one) for one in inputs]


class CheckpointedBlock(TFT5Block):
    """A T5 block that keeps its inputs and outputs for the backward pass, and nothing between.

    Attributes:
        trained: Lists the variables whose gradients are wanted.
        is_compiled: Whether XLA compiles the program.
    """

    trained: Trained
    is_compiled: bool

    def call(  # type: ignore[override]
        self, hidden_states: tf.Tensor, training: bool = False, **others: Any
    ) -> tuple[Any, ...]:
        """Transform [B, S, D] as TFT5Block does and with its arguments.

        Outside training, and where a cache or attention weights are asked for, there is nothing
        to checkpoint.
        """
        asks_more = others.get("use_cache") or others.get("output_attentions")
        if not training or asks_more:
            return super().call(hidden_states, training=training, **others)
        run = super().call
        given = {name: value for name, value in others.items() if tf.is_tensor(value)}
        rest = {name: value for name, value in others.items() if name not in given}

        def block(hidden_states: tf.Tensor, *values: tf.Tensor) -> Tensors:
            named = dict(zip(given, values, strict=True))
            states, _, *biases = run(hidden_states, training=True, **named, **rest)
            # A bias that was given is handed on as it came, and not by way of the gradient.
            made = [one for name, one in zip(_BIASES, biases, strict=False) if name not in given]
            return (states, *made)

        inputs = [hidden_states, *given.values()]
        states, *made = recompute(block, inputs, self.trained, is_compiled=self.is_compiled)
        count = 2 if self.is_decoder else 1
        biases = [given[name] if name in given else made.pop(0) for name in _BIASES[:count]]
        return (states, None, *biases)


def checkpoint_blocks(model: TaskModel, *, is_compiled: bool) -> int:
    """Let the blocks of a model be computed twice in training, and kept in memory once.

    Args:
        model: Built.
        is_compiled: Whether XLA compiles the train step.

    Returns:
        How many blocks there are.
    """
    blocks = [layer for layer in all_layers(model) if type(layer) is TFT5Block]
    for block in blocks:
        block.__class__ = CheckpointedBlock
        block.trained = lambda: model.trainable_variables
        block.is_compiled = is_compiled
    return len(blocks)
