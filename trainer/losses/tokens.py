"""The loss of text: cross-entropy over target tokens.

Shape letters: B batch, T target length, V vocabulary.
"""

from collections.abc import Callable

import tensorflow as tf

from adapters_tf.runtime.target import is_for_tpu


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
    losses_BT = cross_entropy(logits_BTV, targets_BT)
    return tf.reduce_sum(losses_BT * weights_BT, 1), tf.reduce_sum(weights_BT, 1)


def cross_entropy(logits_BTV: tf.Tensor, targets_BT: tf.Tensor) -> tf.Tensor:
    """Compute the cross-entropy of every position.

    TensorFlow's own compiles to three passes over the logits for a TPU, and they are the largest
    tensor of a step; there it is written out in two. On a CPU TensorFlow's is one kernel.

    Args:
        logits_BTV: float32 [B, T, V].
        targets_BT: int32 [B, T].

    Returns:
        float32 [B, T], in nats.
    """
    if not is_for_tpu():
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets_BT, logits_BTV)

    @tf.custom_gradient
    def apply(logits_BTV: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        top_BT1 = tf.reduce_max(logits_BTV, -1, keepdims=True)
        total_BT1 = tf.reduce_sum(tf.exp(logits_BTV - top_BT1), -1, keepdims=True)
        is_target_BTV = tf.range(logits_BTV.shape[-1]) == targets_BT[..., None]
        chosen_BT = tf.reduce_sum(tf.where(is_target_BTV, logits_BTV, 0.0), -1)
        log_total_BT1 = tf.math.log(total_BT1) + top_BT1

        def gradient(upstream_BT: tf.Tensor) -> tf.Tensor:
            """Compute the gradient by logits: (softmax - one-hot) g."""
            probability_BTV = tf.exp(logits_BTV - log_total_BT1)
            return (probability_BTV - tf.cast(is_target_BTV, tf.float32)) * upstream_BT[..., None]

        return log_total_BT1[..., 0] - chosen_BT, gradient

    return apply(logits_BTV)
