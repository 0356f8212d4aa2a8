"""A train step of several microbatches, each of one task, whose gradients are balanced.

The microbatches go through the model one after the other, in a loop that holds the activations of
one of them.

Shape letters: M microbatches, B rows of one on this replica, K tasks.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runtime.dropout import microbatch
from trainer.balancing.method import Balancing, StepFigures
from trainer.gradients.products import products, weighted_sum
from trainer.gradients.replicas import routed_gradients
from trainer.gradients.task_rows import gather_rows
from trainer.losses.tokens import PLAIN, TokenLoss
from trainer.steps.step import Batch, StepTaker, differentiate, weigh_rows

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
    batch: Batch | Sequence[Batch],
    balancing: Balancing,
    microbatches: int | Sequence[int],
    loss: TokenLoss = PLAIN,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Take one optimizer step on several global microbatches; otherwise as `train_step`.

    Args:
        model: Whose trainable variables are updated; it routes by batch.
        optimizer: One of `trainer.optimizers`.
        batch: The batch keys, the microbatches' rows one after the other; `task` is equal in every
            row of a microbatch, on every replica. Where they have several shapes, a batch of each.
        balancing: How the gradients of what is shared are combined.
        microbatches: M, how many there are; of several shapes, of each.
        loss: What is minimised.

    Returns:
        The summed loss in nats and the summed weight in tokens, float32 [K], per task, and whether
        the step was taken, bool scalar.
    """
    context = tf.distribute.get_replica_context()
    groups = _take_apart(batch, microbatches)
    tasks_M = tf.concat([parts["task"][:, 0] for parts in groups], 0)
    tokens_M = tf.concat([tf.reduce_sum(weigh_rows(parts), 1) for parts in groups], 0)
    tokens_M = context.all_reduce(SUM, tokens_M)
    prior_M = balancing.prior(tasks_M, tokens_M)
    # A weight that follows from other replicas' losses is not known in the loop.
    is_alone = context.num_replicas_in_sync == 1
    is_summed = balancing.looks_at == "tokens" or (balancing.looks_at == "losses" and is_alone)

    def weigh(number: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
        return balancing.weigh(prior_M[number], mean)

    held = _accumulate_all(model, groups, loss, tokens_M, weigh if is_summed else None)
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


def _take_apart(batch: Batch | Sequence[Batch], microbatches: int | Sequence[int]) -> list[Batch]:
    """Give microbatches an axis of their own, [M, B, ...], by shape."""
    batches = [batch] if isinstance(batch, Mapping) else batch
    counts = [microbatches] if isinstance(microbatches, int) else microbatches
    return [
        {name: tf.reshape(value, [count, -1, *value.shape[1:]]) for name, value in one.items()}
        for one, count in zip(batches, counts, strict=True)
    ]


def _accumulate_all(
    model: TaskModel,
    groups: Sequence[Batch],
    loss: TokenLoss,
    tokens_M: tf.Tensor,
    weigh: Weigh | None,
) -> Accumulated:
    """Go through the microbatches of one shape, then through those of the next."""
    found, first = [], 0
    for parts in groups:
        held = _accumulate(model, parts, loss, tokens_M, weigh, first)
        if len(groups) == 1:
            return held
        found.append(held)
        first += parts["task"].shape[0]
        if first < tokens_M.shape[0]:  # the next begins when this one's activations are gone
            with tf.control_dependencies([held.losses]):
                tokens_M = tf.identity(tokens_M)
    add = tf.add_n if weigh else lambda parts: tf.concat(parts, 0)
    return Accumulated(
        tf.concat([one.losses for one in found], 0),
        tf.concat([one.added for one in found], 0),
        [tf.concat(parts, 0) for parts in zip(*[one.rows for one in found], strict=True)],
        [add(parts) for parts in zip(*[one.shared for one in found], strict=True)],
    )


def _accumulate(
    model: TaskModel,
    parts: Batch,
    loss: TokenLoss,
    tokens_M: tf.Tensor,
    weigh: Weigh | None,
    first: int = 0,
) -> Accumulated:
    """Go through microbatches of one shape in turn.

    Args:
        model: With what trains.
        parts: The batch keys, [M, B, ...].
        loss: What is minimised.
        tokens_M: float32, of all replicas, of all the step's microbatches.
        weigh: Tells what a microbatch's gradient of shared variables is multiplied with, before it
            is added to the others; None keeps them apart.
        first: The number of the first among all of the step.

    Returns:
        What they left.
    """
    variables = model.trainable_variables
    is_bank = [model.is_bank(variable) for variable in variables]
    count, of_step = parts["task"].shape[0], tokens_M.shape[0]

    def room(shape: tf.TensorShape) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, count, element_shape=shape)

    def begin(variable: tf.Variable, of_bank: bool) -> tf.Tensor | tf.TensorArray:
        if of_bank:
            return room(variable.shape[1:])
        return room(variable.shape) if weigh is None else tf.zeros(variable.shape, tf.float32)

    def turn(
        number: tf.Tensor, losses: tf.TensorArray, added: tf.TensorArray, *kept: Any
    ) -> tuple[Any, ...]:
        part = {name: value[number] for name, value in parts.items()}
        place = number + first
        with microbatch(tf.cast(place, tf.int64), of_step):
            left = differentiate(model, part, tokens_M[place], loss)
        mean = left.total / tf.maximum(tokens_M[place], 1.0)
        weight = None if weigh is None else weigh(place, mean)
        grown = (
            slot.write(number, gradient)
            if isinstance(slot, tf.TensorArray)
            else slot + weight * gradient
            for slot, gradient in zip(
                kept, routed_gradients(model, variables, left.gradients), strict=True
            )
        )
        return number + 1, losses.write(number, left.total), added.write(number, left.added), *grown

    scalar = tf.TensorShape([])
    _, losses, added, *kept = tf.while_loop(
        lambda number, *_: number < count,
        turn,
        (tf.constant(0), room(scalar), room(scalar), *map(begin, variables, is_bank)),
        parallel_iterations=1,
    )
    stacked = [one.stack() if isinstance(one, tf.TensorArray) else one for one in kept]
    return Accumulated(
        losses.stack(),
        added.stack(),
        list(itertools.compress(stacked, is_bank)),
        list(itertools.compress(stacked, map(operator.not_, is_bank))),
    )
