"""The train and validation steps: plain functions of (model, batch).

`fit`, the benchmarks and the TPU preflight all call these.

Shape letters: B batch, T target length, V vocabulary, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel
from trainer.gradients.replicas import sum_mixed_over_replicas, sum_over_replicas
from trainer.losses.tokens import token_loss

Batch = Mapping[str, tf.Tensor]


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
