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
    """Sum the cross-entropy over the weighted tokens of each row.

    Args:
        logits_BTV: float32 [B, T, V].
        targets_BT: int32 [B, T].
        weights_BT: float32 [B, T], 0 where padded.

    Returns:
        The summed losses in nats and the summed weights in tokens, float32 [B].
    """
    losses_BT = tf.nn.sparse_softmax_cross_entropy_with_logits(targets_BT, logits_BTV)
    return tf.reduce_sum(losses_BT * weights_BT, 1), tf.reduce_sum(weights_BT, 1)


def validation_step(model: TaskModel, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum one replica's loss without dropout.

    Args:
        model: With the tasks of the batch.
        batch: The batch keys.

    Returns:
        The summed loss in nats and the summed weight in tokens, of this replica.
    """
    logits_BTV = model(batch, training=False)
    loss_B, tokens_B = token_loss(
        logits_BTV, batch["decoder_target_tokens"], batch["decoder_loss_weights"]
    )
    return tf.reduce_sum(loss_B), tf.reduce_sum(tokens_B)


def train_step(
    model: TaskModel, optimizer: tf_keras.optimizers.Optimizer, batch: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Take one optimizer step on a global batch: summed token loss over the global token count.

    Call it in replica context (`strategy.run`), with this replica's share of the batch.

    Args:
        model: Whose trainable variables are updated.
        optimizer: One of `trainer.optimizers`.
        batch: The batch keys; `task` is equal in every example of every replica, unless the model
            routes by example.

    Returns:
        The global batch's summed loss in nats and its summed weight in tokens, float32 [K], per
        task.
    """
    replicas = tf.distribute.get_replica_context()
    tokens_B = tf.reduce_sum(batch["decoder_loss_weights"], 1)
    tokens_K = tf.math.unsorted_segment_sum(tokens_B, batch["task"], len(model.task_names))
    tokens_K = replicas.all_reduce(tf.distribute.ReduceOp.SUM, tokens_K)
    variables = model.trainable_variables
    # Only what trains is watched: no gradient of a frozen variable is ever computed.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        logits_BTV = model(batch, training=True)
        loss_B, _ = token_loss(
            logits_BTV, batch["decoder_target_tokens"], batch["decoder_loss_weights"]
        )
        objective = tf.reduce_sum(loss_B) / tf.maximum(tf.reduce_sum(tokens_K), 1.0)
        # What an adapter method adds by itself, a fusion's regularisation for one; every replica
        # computes it, and gradients are summed.
        objective += tf.add_n(model.losses or [0.0]) / replicas.num_replicas_in_sync
    gradients = tape.gradient(objective, variables)
    if model.is_routed_by_example:
        gradients = sum_mixed_over_replicas(model, variables, gradients, tokens_K > 0)
    else:
        gradients = sum_over_replicas(model, variables, gradients, batch["task"][0])
    optimizer.apply_gradients(
        zip(gradients, variables, strict=True), skip_gradients_aggregation=True
    )
    loss_K = tf.math.unsorted_segment_sum(loss_B, batch["task"], len(model.task_names))
    return replicas.all_reduce(tf.distribute.ReduceOp.SUM, loss_K), tokens_K


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


def sum_mixed_over_replicas(
    model: TaskModel,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | tf.IndexedSlices | None],
    is_present_K: tf.Tensor,
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Add up every replica's gradients where a batch mixes tasks; whole banks travel.

    Args:
        model: Tells which variables are banks.
        variables: What the gradients belong to.
        gradients: Of this replica; None where a variable was not used.
        is_present_K: bool [K], which tasks have examples in the global batch.

    Returns:
        The global gradients; a bank's as `tf.IndexedSlices` of all K rows, with the index −1 for
        tasks that are absent and whose rows must stay as they are.
    """
    context = tf.distribute.get_replica_context()
    dense = [_dense_gradient(*pair) for pair in zip(variables, gradients, strict=True)]
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    rows_K = tf.where(is_present_K, tf.range(len(model.task_names)), -1)
    return [
        tf.IndexedSlices(gradient, rows_K, tf.constant(variable.shape.as_list()))
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
