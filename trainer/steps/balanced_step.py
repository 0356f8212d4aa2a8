"""A train step of several microbatches, each of one task, whose gradients are balanced.

The microbatches go through the model one after the other, in a loop that holds the activations of
one of them.

Shape letters: M microbatches, B rows of one on this replica, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runtime.dropout import microbatch
from trainer.balancing.method import Balancing, StepFigures
from trainer.gradients.products import products, weighted_sum
from trainer.gradients.replicas import routed_gradients
from trainer.gradients.task_rows import gather_rows
from trainer.losses.tokens import PLAIN, TokenLoss
from trainer.steps.step import Batch, StepTaker, sum_losses

SUM = tf.distribute.ReduceOp.SUM
# Of a microbatch's number and its mean loss on this replica: what its gradient is multiplied with.
Weigh = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Accumulated(NamedTuple):
    """What the microbatches of a step left on one replica.

    Attributes:
        losses: float32 [M], summed over this replica's tokens, in nats.
        added: float32 [M], what adapter methods add to the loss.
        rows: By bank, float32 [M, ...], of the routed row.
        shared: By shared variable, float32: the weighted sum, or [M, ...] of each microbatch.
    """

    losses: tf.Tensor
    added: tf.Tensor
    rows: list[tf.Tensor]
    shared: list[tf.Tensor]


def balanced_step(
    model: TaskModel,
    optimizer: StepTaker,
    batch: Batch,
    balancing: Balancing,
    microbatches: int,
    loss: TokenLoss = PLAIN,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Take one optimizer step on several global microbatches; otherwise as `train_step`.

    Args:
        model: Whose trainable variables are updated; it routes by batch.
        optimizer: One of `trainer.optimizers`.
        batch: The batch keys, the microbatches' rows one after the other; `task` is equal in every
            row of a microbatch, on every replica.
        balancing: How the gradients of what is shared are combined.
        microbatches: M, how many there are.
        loss: What is minimised.

    Returns:
        The summed loss in nats and the summed weight in tokens, float32 [K], per task, and whether
        the step was taken, bool scalar.
    """
    context = tf.distribute.get_replica_context()
    parts = {
        name: tf.reshape(value, [microbatches, -1, *value.shape[1:]])
        for name, value in batch.items()
    }
    tasks_M = parts["task"][:, 0]
    tokens_M = context.all_reduce(SUM, tf.reduce_sum(parts["decoder_loss_weights"], [1, 2]))
    prior_M = balancing.prior(tasks_M, tokens_M)
    # A weight that follows from other replicas' losses is not known in the loop.
    is_alone = context.num_replicas_in_sync == 1
    is_summed = balancing.looks_at == "tokens" or (balancing.looks_at == "losses" and is_alone)
    held = _accumulate(
        model,
        parts,
        loss,
        tokens_M,
        (lambda number, mean: balancing.weigh(prior_M[number], mean)) if is_summed else None,
    )
    total_M, *summed = context.all_reduce(SUM, [held.losses, *held.rows, *held.shared])
    losses_M = total_M / tf.maximum(tokens_M, 1.0)
    weights_M = balancing.weigh(prior_M, losses_M)
    scale = balancing.scale(weights_M)
    shared, gram_MM = summed[len(held.rows) :], None
    if is_summed:
        shared = [gradient * scale for gradient in shared]
    else:
        shared, gram_MM = _combine(balancing, weights_M * scale, shared, optimizer.iterations)
    rows = iter([gather_rows(tasks_M, tokens_M, one) for one in summed[: len(held.rows)]])
    dense = iter(shared)
    gradients = [
        (next(rows if model.is_bank(variable) else dense), variable)
        for variable in model.trainable_variables
    ]
    is_taken = optimizer.take_step(gradients, tf.reduce_sum(total_M) + tf.reduce_sum(held.added))
    balancing.learn(StepFigures(tasks_M, losses_M, weights_M * scale, gram_MM), is_taken)
    tasks = len(model.task_names)
    loss_K = tf.math.unsorted_segment_sum(total_M, tasks_M, tasks)
    return loss_K, tf.math.unsorted_segment_sum(tokens_M, tasks_M, tasks), is_taken


def _combine(
    balancing: Balancing, weights_M: tf.Tensor, shared: list[tf.Tensor], step: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor | None]:
    """Combine the gradients of shared variables, [M, ...] each; and multiply them, if asked."""
    if balancing.looks_at != "gradients":
        return [weighted_sum(weights_M, gradient) for gradient in shared], None
    gram_MM = products(shared, weights_M.shape[0])
    taken_M = balancing.combine(weights_M, gram_MM, step)
    return [weighted_sum(taken_M, gradient) for gradient in shared], gram_MM


def _accumulate(
    model: TaskModel, parts: Batch, loss: TokenLoss, tokens_M: tf.Tensor, weigh: Weigh | None
) -> Accumulated:
    """Go through the microbatches in turn.

    Args:
        model: With what trains.
        parts: The batch keys, [M, B, ...].
        loss: What is minimised.
        tokens_M: float32, of all replicas.
        weigh: Tells what a microbatch's gradient of shared variables is multiplied with, before it
            is added to the others; None keeps them apart.

    Returns:
        What they left.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    variables = model.trainable_variables
    is_bank = [model.is_bank(variable) for variable in variables]
    count = parts["task"].shape[0]

    def room(shape: tf.TensorShape) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, count, element_shape=shape)

    def differentiate(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        part = {name: value[number] for name, value in parts.items()}
        tokens = tf.maximum(tokens_M[number], 1.0)
        with (
            microbatch(tf.cast(number, tf.int64), count),
            tf.GradientTape(watch_accessed_variables=False) as tape,
        ):
            tape.watch(variables)
            total, _ = sum_losses(model, part, training=True, loss=loss)
            added = tf.add_n(model.losses or [0.0])
            objective = total / tokens + added / replicas
            gradients = tape.gradient(objective, variables)
        return total, added, routed_gradients(model, variables, gradients)

    def turn(number: tf.Tensor, *held: Any) -> tuple[Any, ...]:
        losses, added, *kept = held
        total, added_here, gradients = differentiate(number)
        weight = None if weigh is None else weigh(number, total / tf.maximum(tokens_M[number], 1.0))
        return (
            number + 1,
            losses.write(number, total),
            added.write(number, added_here),
            *(
                place.write(number, gradient)
                if isinstance(place, tf.TensorArray)
                else place + weight * gradient
                for place, gradient in zip(kept, gradients, strict=True)
            ),
        )

    kept = [
        room(variable.shape[1:])
        if of_bank
        else room(variable.shape)
        if weigh is None
        else tf.zeros(variable.shape, tf.float32)
        for variable, of_bank in zip(variables, is_bank, strict=True)
    ]
    begin = (tf.constant(0), room(tf.TensorShape([])), room(tf.TensorShape([])), *kept)
    _, losses, added, *kept = tf.while_loop(
        lambda number, *_: number < count, turn, begin, parallel_iterations=1
    )
    stacked = [one.stack() if isinstance(one, tf.TensorArray) else one for one in kept]
    return Accumulated(
        losses.stack(),
        added.stack(),
        [one for one, of_bank in zip(stacked, is_bank, strict=True) if of_bank],
        [one for one, of_bank in zip(stacked, is_bank, strict=True) if not of_bank],
    )
