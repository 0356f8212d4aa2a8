"""The loss of text: cross-entropy over target tokens.

Shape letters: B batch, T target length, V vocabulary.
"""

import tensorflow as tf


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
