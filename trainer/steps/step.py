"""The train and validation steps: plain functions of (model, batch).

`fit`, the benchmarks and the TPU preflight all call these.

Shape letters: B batch, T target length, V vocabulary, K tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.model.forward import word_table
from trainer.gradients.replicas import sum_mixed_over_replicas, sum_over_replicas
from trainer.gradients.task_rows import TaskRows
from trainer.losses.heads import sum_head_losses
from trainer.losses.tokens import PLAIN, TokenLoss, sum_token_losses

Batch = Mapping[str, tf.Tensor]


class StepTaker(Protocol):
    """What a step asks of an optimizer; those of `trainer.optimizers` have it.

    Attributes:
        iterations: Steps done, int64 scalar.
    """

    iterations: tf.Variable

    def take_step(
        self,
        gradients: Iterable[tuple[tf.Tensor | tf.IndexedSlices | TaskRows, tf.Variable]],
        loss: tf.Tensor,
    ) -> tf.Tensor:
        """Apply the gradients if they and the loss are finite, and tell whether they are."""


def is_headed(batch: Batch) -> bool:
    """Tell whether heads answer a batch, or the decoder."""
    return "labels" in batch


def weigh_rows(batch: Batch) -> tf.Tensor:
    """Sum what each row of a batch counts: its target tokens, or as an example of a head.

    Args:
        batch: The batch keys; of several microbatches [M, ...].

    Returns:
        float32 [B], or [M, B].
    """
    if is_headed(batch):
        return batch["label_weights"]
    return tf.reduce_sum(batch["decoder_loss_weights"], -1)


def sum_losses(
    model: TaskModel, batch: Batch, *, training: bool, loss: TokenLoss = PLAIN
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum the cross-entropy over the weighted target tokens, or the loss of heads over examples.

    Args:
        model: With the tasks of the batch.
        batch: The batch keys, with targets or, for heads, with labels.
        training: Whether dropout is on.
        loss: What is minimised.

    Returns:
        The sum in nats, float32, which has a gradient, and the sum of each row, float32 [B], which
        has none.
    """
    if is_headed(batch):
        if model.heads is None:
            raise ValueError("a batch with labels is for heads, and the model has none")
        scores_BC = model.answer(batch, training=training)
        return sum_head_losses(model.heads, scores_BC, batch, loss)
    states_BTD = model(batch, training=training, scores=False)
    total, losses_BT = sum_token_losses(
        *word_table(model.backbone, states_BTD),
        batch["decoder_target_tokens"],
        batch["decoder_loss_weights"],
        loss,
    )
    return total, tf.reduce_sum(losses_BT, 1)


def validation_step(model: TaskModel, batch: Batch, chunk: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum one replica's cross-entropy, without dropout, smoothing or z-loss.

    Args:
        model: With the tasks of the batch.
        batch: The batch keys.
        chunk: Target positions whose scores are held at once; 0 for all.

    Returns:
        The summed loss in nats and the summed weight in tokens, of this replica.
    """
    total, _ = sum_losses(model, batch, training=False, loss=TokenLoss(chunk=chunk))
    return total, tf.reduce_sum(weigh_rows(batch))


class Differentiated(NamedTuple):
    """What a batch left on one replica.

    Attributes:
        total: float32, its summed loss in nats.
        losses: float32 [B], summed over each row's tokens.
        added: float32, what adapter methods add to the loss, the same on every replica.
        gradients: By trainable variable, of the mean loss and what is added; None where a variable
            was not used.
    """

    total: tf.Tensor
    losses: tf.Tensor
    added: tf.Tensor
    gradients: list[tf.Tensor | tf.IndexedSlices | None]


def differentiate(
    model: TaskModel, batch: Batch, tokens: tf.Tensor, loss: TokenLoss
) -> Differentiated:
    """Compute this replica's part of a batch's loss and gradients; call it in replica context.

    Args:
        model: Whose trainable variables count.
        batch: The batch keys, this replica's share.
        tokens: float32, what the loss is divided by: the weights of all replicas' targets.
        loss: What is minimised.

    Returns:
        Its part, whose gradients are to be added up over replicas.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    variables = model.trainable_variables
    # Only what trains is watched: no gradient of a frozen variable is ever computed.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        total, losses_B = sum_losses(model, batch, training=True, loss=loss)
        objective = total / tf.maximum(tokens, 1.0)
        # What an adapter method adds by itself, a fusion's regularisation for one; every replica
        # computes it, and gradients are summed.
        added = tf.add_n(model.losses or [0.0])
        objective += added / replicas
    return Differentiated(total, losses_B, added, tape.gradient(objective, variables))


def train_step(
    model: TaskModel,
    optimizer: StepTaker,
    batch: Batch,
    loss: TokenLoss = PLAIN,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Take one optimizer step on a global batch: summed token loss over the global token count.

    Where the loss or a gradient is not finite, on whatever replica, no replica takes the step, and
    nothing but the optimizer's `iterations` changes. Call it in replica context (`strategy.run`),
    with this replica's share of the batch.

    Args:
        model: Whose trainable variables are updated.
        optimizer: One of `trainer.optimizers`.
        batch: The batch keys; `task` is equal in every example of every replica, unless the model
            routes by example.
        loss: What is minimised.

    Returns:
        The global batch's summed loss in nats and its summed weight in tokens, float32 [K], per
        task, and whether the step was taken, bool scalar.
    """
    replicas = tf.distribute.get_replica_context()
    tokens_B = weigh_rows(batch)
    tokens_K = tf.math.unsorted_segment_sum(tokens_B, batch["task"], len(model.task_names))
    tokens_K = replicas.all_reduce(tf.distribute.ReduceOp.SUM, tokens_K)
    variables = model.trainable_variables
    left = differentiate(model, batch, tf.reduce_sum(tokens_K), loss)
    if model.is_routed_by_example:
        gradients = sum_mixed_over_replicas(model, variables, left.gradients, tokens_K > 0)
    else:
        gradients = sum_over_replicas(model, variables, left.gradients, batch["task"][0])
    loss_K = tf.math.unsorted_segment_sum(left.losses, batch["task"], len(model.task_names))
    loss_K = replicas.all_reduce(tf.distribute.ReduceOp.SUM, loss_K)
    pairs = list(zip(gradients, variables, strict=True))
    if is_headed(batch):
        pairs = _leave_unused(model, pairs, left.gradients)
    is_taken = optimizer.take_step(pairs, tf.reduce_sum(loss_K) + left.added)
    return loss_K, tokens_K, is_taken


def _leave_unused(
    model: TaskModel, pairs: list[tuple[Any, tf.Variable]], gradients: list[Any]
) -> list[tuple[Any, tf.Variable]]:
    """Leave shared variables as they are that heads make no use of: the decoder's.

    A gradient of zero would still move them, by the momentum of earlier steps and weight decay.
    """
    return [
        pair
        for pair, gradient in zip(pairs, gradients, strict=True)
        if gradient is not None or model.is_bank(pair[1])
    ]
