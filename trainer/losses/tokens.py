"""The loss of text: cross-entropy over target tokens.

The scores over the vocabulary, B × T × V of them, are the largest tensor of a step, and what they
are for is known as they are made: their loss, and, as nothing comes after it, their gradient but
for one number. So the gradients by the decoder's states and by the table of words are computed in
the forward pass, and no scores are kept for the backward pass; in chunks of positions, only those
of one chunk are ever there. Hsu et al. 2024 (arXiv 2410.10989) do the same in a GPU's kernels.

A CPU scores those positions alone that have weight. A compiled program has no shape that depends on
how many these are, and a GPU would wait to be told: there, all are scored, or of several chunks
those in which any position has weight.

Shape letters: B batch, T target length, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from adapters_tf.model.forward import WordTable
from adapters_tf.runtime.dropout import axis_sizes
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
        is_compiled: Whether XLA compiles the step, as it always does for a TPU.
    """

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    chunk: int = 0
    focal_gamma: float = 0.0
    is_compiled: bool = False


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
    B, T = axis_sizes(targets_BT)
    if not _has_kernels(kind):
        spans = _spans(T, kind.chunk)
        return _sum_losses(table, states_BTD, targets_BT, weights_BT, kind, spans)
    rows = tf.where(weights_BT != 0)
    states, targets, weights = (
        tf.gather_nd(one, rows)[None] for one in (states_BTD, targets_BT, weights_BT)
    )
    spans = _spans(T, kind.chunk, rows=B)
    total, losses_1N = _sum_losses(table, states, targets, weights, kind, spans)
    return total, tf.scatter_nd(rows, losses_1N[0], tf.cast(tf.stack([B, T]), tf.int64))


def _spans(length: int, chunk: int, rows: int | tf.Tensor = 1) -> list[slice]:
    """Divide positions into chunks, of so many times a number of rows."""
    if not chunk:
        return [slice(None)]
    firsts = range(0, length, chunk)
    return [slice(first * rows, (first + chunk) * rows) for first in firsts]


def _sum_losses(
    table: WordTable,
    states_BTD: tf.Tensor,
    targets_BT: tf.Tensor,
    weights_BT: tf.Tensor,
    kind: TokenLoss,
    spans: list[slice],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Do what `sum_token_losses` does, with all positions, those of a span at a time."""
    by_word = table.has_row_per_word

    @tf.custom_gradient
    def apply(
        states_BTD: tf.Tensor, values: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
        def score(span: slice) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Compute the losses of a span's positions, and the gradients by states and table."""
            states, weights = states_BTD[:, span], weights_BT[:, span]
            scores = score_words(states, values, has_row_per_word=by_word)
            loss, slope = cross_entropy(tf.cast(scores, tf.float32), targets_BT[:, span], kind)
            slope = tf.cast(slope, states.dtype)
            scale = tf.cast(weights[..., None], states.dtype)
            by_states, by_values = score_words_gradient(
                slope, states * scale, values, has_row_per_word=by_word
            )
            return loss * weights, by_states * scale, tf.cast(by_values, tf.float32)

        def skip(span: slice) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return (
                tf.zeros_like(weights_BT[:, span]),
                tf.zeros_like(states_BTD[:, span]),
                tf.zeros_like(values, tf.float32),
            )

        def score_or_skip(span: slice) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            has_weight = tf.reduce_any(weights_BT[:, span] != 0)
            return tf.cond(has_weight, lambda: score(span), lambda: skip(span))

        take = score if len(spans) == 1 else score_or_skip
        losses, by_states, by_values = zip(*map(take, spans), strict=True)

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


def _has_kernels(kind: TokenLoss) -> bool:
    """Tell whether a CPU runs one operation after the other, each by a kernel of its own."""
    return not (kind.is_compiled or is_for_tpu() or tf.config.list_logical_devices("GPU"))


def cross_entropy(
    logits_BTV: tf.Tensor, targets_BT: tf.Tensor, kind: TokenLoss = PLAIN
) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute the loss of every position, and its gradient by the logits.

    What TensorFlow has of it compiles to more passes over the logits for a TPU than what is written
    here, has no order on a GPU that can be relied on, and takes twice as long on a CPU.

    Args:
        logits_BTV: float32 [B, T, V].
        targets_BT: int32 [B, T].
        kind: What is minimised.

    Returns:
        float32 [B, T], in nats, and float32 [B, T, V].
    """
    s, z = kind.label_smoothing, kind.z_loss
    find = _find_by_softmax if _has_kernels(kind) else _find_in_passes
    log_total_BT, chosen_BT, slope_BTV, subtract_chosen = find(logits_BTV, targets_BT)
    loss_BT = log_total_BT - (1 - s) * chosen_BT
    if z:
        loss_BT += z * tf.square(log_total_BT)
        slope_BTV *= 1 + 2 * z * log_total_BT[..., None]
    if s:
        loss_BT -= s * tf.reduce_mean(logits_BTV, -1)
        slope_BTV -= s / logits_BTV.shape[-1]
    return loss_BT, subtract_chosen(slope_BTV, 1 - s)


_Found = tuple[tf.Tensor, tf.Tensor, tf.Tensor, Callable[[tf.Tensor, float], tf.Tensor]]


def _find_in_passes(logits_BTV: tf.Tensor, targets_BT: tf.Tensor) -> _Found:
    """Find log Z and the targets' scores, [B, T], probabilities, and what lessens the targets'."""
    top_BT1 = tf.reduce_max(logits_BTV, -1, keepdims=True)
    total_BT1 = tf.reduce_sum(tf.exp(logits_BTV - top_BT1), -1, keepdims=True)
    is_target_BTV = tf.range(logits_BTV.shape[-1]) == targets_BT[..., None]
    chosen_BT = tf.reduce_sum(tf.where(is_target_BTV, logits_BTV, 0.0), -1)
    log_total_BT1 = tf.math.log(total_BT1) + top_BT1

    def subtract_chosen(values_BTV: tf.Tensor, what: float) -> tf.Tensor:
        return values_BTV - tf.where(is_target_BTV, what, 0.0)

    return log_total_BT1[..., 0], chosen_BT, tf.exp(logits_BTV - log_total_BT1), subtract_chosen


def _find_by_softmax(logits_BTV: tf.Tensor, targets_BT: tf.Tensor) -> _Found:
    """Find the same by the kernel of a CPU that is by far its fastest, and by few elements else.

    Of the likeliest word, whose probability is no less than 1 / V, log Z is x - log p.
    """
    shape, V = tf.shape(logits_BTV), logits_BTV.shape[-1]
    logits_NV, targets_N = tf.reshape(logits_BTV, [-1, V]), tf.reshape(targets_BT, [-1])
    shares_NV = tf.nn.softmax(logits_NV)
    log_total_N = tf.reduce_max(logits_NV, 1) - tf.math.log(tf.reduce_max(shares_NV, 1))
    at_N2 = tf.stack([tf.range(tf.size(targets_N)), targets_N], 1)

    def subtract_chosen(values_BTV: tf.Tensor, what: float) -> tf.Tensor:
        values_NV = tf.reshape(values_BTV, [-1, V])
        less_N = tf.fill(tf.shape(targets_N), what)
        return tf.reshape(tf.tensor_scatter_nd_sub(values_NV, at_N2, less_N), shape)

    chosen_BT = tf.reshape(tf.gather_nd(logits_NV, at_N2), shape[:2])
    return (
        tf.reshape(log_total_N, shape[:2]),
        chosen_BT,
        tf.reshape(shares_NV, shape),
        subtract_chosen,
    )
