"""The loss of text: cross-entropy over target tokens.

The scores over the vocabulary, B × T × V of them, are the largest tensor of a step, and what they
are for is known as they are made: their loss, and, as nothing comes after it, their gradient but
for one number. So the gradients by the decoder's states and by the table of words are computed in
the forward pass, and no scores are kept for the backward pass; in chunks of positions, only those
of one chunk are ever there. Hsu et al. 2024 (arXiv 2410.10989) do the same in a GPU's kernels.

Shape letters: B batch, T target length, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from adapters_tf.model.forward import WordTable
from adapters_tf.runtime.products import score_words, score_words_gradient
from adapters_tf.runtime.target import is_for_tpu


@dataclass(frozen=True)
class TokenLoss:
    """What is minimised at every target token, and at every answer of a head.

    With the scores x of all words, and Z = Σ e^x, it is

        log Z - (1 - s) x_target - s mean(x) + z (log Z)²

    Attributes:
        label_smoothing: s, the share of a target's probability that all words have in equal parts
            (Szegedy et al. 2016, arXiv 1512.00567), as in PyTorch's `CrossEntropyLoss`.
        z_loss: z, how much large normalisers cost (Mesh TensorFlow; T5X uses 1e-4), which keeps
            scores from drifting in bfloat16.
        chunk: Positions of a row whose scores are held at once; 0 for all.
        focal_gamma: Of heads alone, how much less counts what is right already.
    """

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    chunk: int = 0
    focal_gamma: float = 0.0


PLAIN = TokenLoss()


def sum_token_losses(
    states_BTD: tf.Tensor,
    table: WordTable,
    targets_BT: tf.Tensor,
    weights_BT: tf.Tensor,
    kind: TokenLoss = PLAIN,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Score the vocabulary, and sum the cross-entropy over all weighted tokens.

    Args:
        states_BTD: [B, T, D], from `word_table`.
        table: What scores words.
        targets_BT: int32 [B, T].
        weights_BT: float32 [B, T], 0 where padded.
        kind: What is minimised.

    Returns:
        The sum in nats, float32, with gradients by the states and the table; and the weighted loss
        of each position, float32 [B, T], which has no gradient.
    """
    by_word = table.has_row_per_word
    length, chunk = targets_BT.shape[1], kind.chunk
    firsts = range(0, length, chunk) if chunk else [0]
    spans = [slice(first, first + chunk if chunk else None) for first in firsts]

    @tf.custom_gradient
    def apply(
        states_BTD: tf.Tensor, values: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
        losses, by_states, by_values = [], [], []
        for span in spans:
            states, weights = states_BTD[:, span], weights_BT[:, span]
            scores = score_words(states, values, has_row_per_word=by_word)
            loss, slope = cross_entropy(tf.cast(scores, tf.float32), targets_BT[:, span], kind)
            slope = tf.cast(slope * weights[..., None], states.dtype)
            of_states, of_values = score_words_gradient(
                slope, states, values, has_row_per_word=by_word
            )
            losses.append(loss * weights)
            by_states.append(of_states)
            by_values.append(tf.cast(of_values, tf.float32))

        def gradient(by_sum: tf.Tensor, by_losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            """Compute the gradients by states and table."""
            del by_losses
            by_states_BTD = by_sum * tf.cast(tf.concat(by_states, 1), tf.float32)
            by_table = by_sum * tf.add_n(by_values)
            return tf.cast(by_states_BTD, states_BTD.dtype), tf.cast(by_table, values.dtype)

        losses_BT = tf.concat(losses, 1)
        return (tf.reduce_sum(losses_BT), losses_BT), gradient

    total, losses_BT = apply(states_BTD, table.values)
    return total, tf.stop_gradient(losses_BT)


def cross_entropy(
    logits_BTV: tf.Tensor, targets_BT: tf.Tensor, kind: TokenLoss = PLAIN
) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute the loss of every position, and its gradient by the logits.

    A CPU has one kernel for plain cross-entropy. TensorFlow's own compiles to more passes over the
    logits for a TPU than what is written here, and on a GPU it has no order that can be relied on.

    Args:
        logits_BTV: float32 [B, T, V].
        targets_BT: int32 [B, T].
        kind: What is minimised.

    Returns:
        float32 [B, T], in nats, and float32 [B, T, V].
    """
    s, z = kind.label_smoothing, kind.z_loss
    if not (s or z or is_for_tpu() or tf.config.list_logical_devices("GPU")):
        shape = tf.shape(logits_BTV)
        loss, slope = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=tf.reshape(logits_BTV, [-1, logits_BTV.shape[-1]]),
            labels=tf.reshape(targets_BT, [-1]),
        )
        return tf.reshape(loss, shape[:2]), tf.reshape(slope, shape)
    V = logits_BTV.shape[-1]
    top_BT1 = tf.reduce_max(logits_BTV, -1, keepdims=True)
    total_BT1 = tf.reduce_sum(tf.exp(logits_BTV - top_BT1), -1, keepdims=True)
    is_target_BTV = tf.range(V) == targets_BT[..., None]
    chosen_BT = tf.reduce_sum(tf.where(is_target_BTV, logits_BTV, 0.0), -1)
    log_total_BT1 = tf.math.log(total_BT1) + top_BT1
    slope_BTV = tf.exp(logits_BTV - log_total_BT1)  # the probabilities
    loss_BT = log_total_BT1[..., 0] - (1 - s) * chosen_BT
    if z:
        loss_BT += z * tf.square(log_total_BT1[..., 0])
        slope_BTV *= 1 + 2 * z * log_total_BT1
    slope_BTV -= tf.where(is_target_BTV, 1 - s, 0.0)
    if s:
        loss_BT -= s * tf.reduce_mean(logits_BTV, -1)
        slope_BTV -= s / V
    return loss_BT, slope_BTV
