"""The arithmetic of a T5 layer, in few passes over its large tensors.

Scores of attention are the largest thing in a layer (batch 8, 512 tokens, 8 heads: 33 MB in
bfloat16), and each pass over them costs as much as a product. So

- softmax's division, and a dropout mask that all queries share, are applied to what is Q × H or
  S × H rather than Q × S: `o = (e^(s - max) (m v)) / Σ e^(s - max)`;
- the gradient is written out with the row sums of Dao et al. 2022 (arXiv 2205.14135, appendix
  B.2), `Σ_s p dp = Σ_h o do`, which saves a pass.

Where there is no gradient to keep the scores for, they need not leave the chip at all:
`attend_without_scores`.

Shape letters: B batch, Q queries, S keys, N heads, H head width, F feed-forward width.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla


def attend(
    query_BQNH: tf.Tensor,
    key_BSNH: tf.Tensor,
    value_BSNH: tf.Tensor,
    bias: tf.Tensor,
    mask: tf.Tensor | None = None,
    keep: float = 1.0,
) -> tf.Tensor:
    """Average values by softmax(q · k + bias), with dropout of the weights.

    Args:
        query_BQNH: [B, Q, N, H].
        key_BSNH: [B, S, N, H].
        value_BSNH: [B, S, N, H].
        bias: Added to the scores, broadcast to [B, N, Q, S].
        mask: Floats [B, N, Q or 1, S], 1 where a weight stays and 0 where it falls; None for none.
        keep: The share that stays; weights are divided by it.

    Returns:
        [B, Q, N, H], in the queries' dtype.
    """
    dtype = query_BQNH.dtype
    is_of_keys = mask is not None and mask.shape[2] == 1
    # Zeros and ones are exact in any dtype; what scales them is in float32, in the division.
    mask = None if mask is None else tf.cast(mask, dtype)
    mask_BSN1 = tf.transpose(mask, [0, 3, 1, 2]) if is_of_keys else None

    @tf.custom_gradient
    def apply(
        query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        scores = tf.einsum("bqnh,bsnh->bnqs", query, key) + bias
        top_BNQ1 = tf.reduce_max(scores, -1, keepdims=True)
        shares = tf.exp(tf.cast(scores - top_BNQ1, tf.float32))
        total_BNQ1 = tf.reduce_sum(shares, -1, keepdims=True) * keep
        total_BQN1 = tf.transpose(total_BNQ1, [0, 2, 1, 3])
        shares = tf.cast(shares, dtype)
        kept = shares if mask is None or is_of_keys else shares * mask
        values = value * mask_BSN1 if is_of_keys else value
        context = tf.einsum("bnqs,bsnh->bqnh", kept, values)
        context = tf.cast(tf.cast(context, tf.float32) / total_BQN1, dtype)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            """Compute the gradients by query, key, value and bias."""
            part = tf.cast(tf.cast(upstream, tf.float32) / total_BQN1, dtype)
            by_values = tf.einsum("bnqs,bqnh->bsnh", kept, part)
            slope_BQN1 = keep * tf.reduce_sum(
                tf.cast(part * context, tf.float32), -1, keepdims=True
            )
            slope_BNQ1 = tf.cast(tf.transpose(slope_BQN1, [0, 2, 1, 3]), dtype)
            by_weights = tf.einsum("bqnh,bsnh->bnqs", part, values)
            if mask is not None and not is_of_keys:
                by_weights *= mask
            by_scores = shares * (by_weights - slope_BNQ1)
            return (
                tf.einsum("bnqs,bsnh->bqnh", by_scores, key),
                tf.einsum("bnqs,bqnh->bsnh", by_scores, query),
                by_values * mask_BSN1 if is_of_keys else by_values,
                _sum_to(by_scores, bias),
            )

        return context, gradient

    return apply(query_BQNH, key_BSNH, value_BSNH, bias)


def attend_without_scores(
    query_BQNH: tf.Tensor, key_BSNH: tf.Tensor, value_BSNH: tf.Tensor, bias: tf.Tensor
) -> tf.Tensor:
    """Average values by softmax(q · k + bias) in a compiled program, for answers alone.

    A TPU's compiler makes one kernel of a product and the exponents that the next product takes,
    but not where it needs the scores twice, for their maximum and for the exponents. So q · k is
    computed twice, and the sums of the exponents come from the product with the values, as a
    column of ones. The scores are never written: of a batch of 64, 512 tokens and 8 heads, an
    attention takes a third of the time, a fifth of the traffic and a seventh of the memory.

    Args:
        query_BQNH: [B, Q, N, H].
        key_BSNH: [B, S, N, H].
        value_BSNH: [B, S, N, H].
        bias: Added to the scores, broadcast to [B, N, Q, S].

    Returns:
        [B, Q, N, H], in the queries' dtype.
    """
    dtype = query_BQNH.dtype

    def score(query: tf.Tensor, key: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        # In float32, for both passes must round alike: a bias that masks is −1e9.
        products = tf.cast(tf.einsum("bqnh,bsnh->bnqs", query, key), tf.float32)
        return products + tf.cast(bias, tf.float32)

    @tf.custom_gradient
    def apply(
        query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        top_BNQ1 = tf.reduce_max(score(query, key, bias), -1, keepdims=True)
        # Or the compiler would find that both products are the same.
        again, top_BNQ1 = xla.optimization_barrier(query, top_BNQ1)
        shares = tf.cast(tf.exp(score(again, key, bias) - top_BNQ1), dtype)
        values = tf.concat([value, tf.ones_like(value[..., :1])], -1)
        sums = tf.cast(tf.einsum("bnqs,bsnh->bqnh", shares, values), tf.float32)
        context = tf.cast(sums[..., :-1] / sums[..., -1:], dtype)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch([query, key, value, bias])
                context = attend(query, key, value, bias)
            return tape.gradient(context, [query, key, value, bias], upstream)

        return context, gradient

    return apply(query_BQNH, key_BSNH, value_BSNH, bias)


def relu(inputs: tf.Tensor, mask: tf.Tensor | None = None, keep: float = 1.0) -> tf.Tensor:
    """Compute max(x, 0) with dropout, and a gradient made of the output alone.

    TensorFlow's own gradient asks for the outputs before dropout, which a compiler for TPU
    computes once more, as bits, at the price of the product before it.

    Args:
        inputs: [B, S, F].
        mask: Floats that broadcast to the inputs, 1 where a unit stays and 0 where it falls; None
            for none.
        keep: The share that stays; units are divided by it.

    Returns:
        [B, S, F], in the inputs' dtype.
    """

    @tf.custom_gradient
    def apply(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        outputs = tf.maximum(inputs, 0)
        if mask is not None:
            outputs = _scaled(outputs, mask / keep)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            slope = upstream if mask is None else _scaled(upstream, mask / keep)
            return slope * tf.sign(outputs)

        return outputs, gradient

    return apply(inputs)


def _scaled(inputs: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(inputs, tf.float32) * scale, inputs.dtype)


def _sum_to(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sum a gradient over the axes along which something was broadcast."""
    _, axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(gradient), s1=tf.shape(like))
    return tf.cast(tf.reduce_sum(gradient, axes, keepdims=True), like.dtype)
