"""The train and validation steps: plain functions of (model, batch).

`fit`, the benchmarks and the TPU preflight all call these.

Shape letters: B batch, T target length, V vocabulary, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel

Batch = Mapping[str, tf.Tensor]


def token_loss(
    logits_BTV: tf.Tensor, targets_BT: tf.Tensor, weights_BT: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum the cross-entropy over the weighted tokens.

    Args:
        logits_BTV: float32 [B, T, V].
        targets_BT: int32 [B, T].
        weights_BT: float32 [B, T], 0 where padded.

    Returns:
        The summed loss in nats and the summed weight in tokens, float32 scalars.
    """
    losses_BT = tf.nn.sparse_softmax_cross_entropy_with_logits(targets_BT, logits_BTV)
    return tf.reduce_sum(losses_BT * weights_BT), tf.reduce_sum(weights_BT)


def validation_step(model: TaskModel, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum one replica's loss without dropout.

    Args:
        model: With the tasks of the batch.
        batch: The batch keys.

    Returns:
        The summed loss in nats and the summed weight in tokens, of this replica.
    """
    logits_BTV = model(batch, training=False)
    return token_loss(logits_BTV, batch["decoder_target_tokens"], batch["decoder_loss_weights"])


def train_step(
    model: TaskModel, optimizer: tf_keras.optimizers.Optimizer, batch: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Take one optimizer step on a global batch: summed token loss over the global token count.

    Call it in replica context (`strategy.run`), with this replica's share of the batch.

    Args:
        model: Whose trainable variables are updated.
        optimizer: One of `trainer.optimizers`.
        batch: The batch keys; `task` is equal in every example of every replica.

    Returns:
        The global batch's summed loss in nats and its summed weight in tokens.
    """
    replicas = tf.distribute.get_replica_context()
    tokens = replicas.all_reduce(
        tf.distribute.ReduceOp.SUM, tf.reduce_sum(batch["decoder_loss_weights"])
    )
    variables = model.trainable_variables
    # Only what trains is watched: no gradient of a frozen variable is ever computed.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        logits_BTV = model(batch, training=True)
        loss, _ = token_loss(
            logits_BTV, batch["decoder_target_tokens"], batch["decoder_loss_weights"]
        )
        objective = loss / tf.maximum(tokens, 1.0)
    gradients = tape.gradient(objective, variables)
    gradients = sum_over_replicas(model, variables, gradients, batch["task"][0])
    optimizer.apply_gradients(
        zip(gradients, variables, strict=True), skip_gradients_aggregation=True
    )
    return replicas.all_reduce(tf.distribute.ReduceOp.SUM, loss), tokens


def sum_over_replicas(
    model: TaskModel,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | tf.IndexedSlices | None],
    task: tf.Tensor,
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Add up every replica's gradients; of a bank, only the routed task's row travels.

    Dense gradients stay dense and gathers' gradients become dense: Keras would otherwise sort out
    duplicate rows with `tf.unique`, a sequential loop on TPU.

    Args:
        model: Tells which variables are banks.
        variables: What the gradients belong to.
        gradients: Of this replica; None where a variable was not used.
        task: int32 scalar, the routed task.

    Returns:
        The global gradients; a bank's as one row of `tf.IndexedSlices`.
    """
    dense = [
        _row_gradient(variable, gradient)
        if model.is_bank(variable)
        else _dense_gradient(variable, gradient)
        for variable, gradient in zip(variables, gradients, strict=True)
    ]
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    return [
        # Asking TensorFlow for a bank's shape would copy the whole bank.
        tf.IndexedSlices(gradient[None], task[None], tf.constant(variable.shape.as_list()))
        if model.is_bank(variable)
        else gradient
        for variable, gradient in zip(variables, summed, strict=True)
    ]


def _row_gradient(variable: tf.Variable, gradient: tf.IndexedSlices | None) -> tf.Tensor:
    if gradient is None:
        return tf.zeros(variable.shape[1:], variable.dtype)
    # Every slice of a routed batch is of the same row, once per read of the bank.
    return tf.reduce_sum(gradient.values, axis=0)


def _dense_gradient(variable: tf.Variable, gradient: tf.Tensor | None) -> tf.Tensor:
    if gradient is None:
        return tf.zeros(variable.shape, variable.dtype)
    return tf.convert_to_tensor(gradient)
