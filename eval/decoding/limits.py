"""What the next token may not be: an end that comes too early, a repeated n-gram.

Both follow transformers' `min_new_tokens` and `no_repeat_ngram_size`, for which a text begins with
the decoder's start token.

Shape letters: B batch, K beams or samples, T target length, V vocabulary, W windows of n tokens.
"""

from __future__ import annotations

import tensorflow as tf

from eval.decoding.options import Limits

FORBIDDEN = -1e9  # what no token is chosen with


def forbid(
    scores_BKV: tf.Tensor,
    tokens_BKT: tf.Tensor,
    step: tf.Tensor,
    limits: Limits,
    ends: tf.Tensor,
    start: int,
) -> tf.Tensor:
    """Lower the scores of tokens that the limits forbid.

    Args:
        scores_BKV: float32 [B, K, V], of the token at `step`.
        tokens_BKT: int32 [B, K, T], those before it; whatever follows is not looked at.
        step: int32 scalar, from 0.
        limits: What is forbidden.
        ends: int32 [E], the tokens that end a text.
        start: The token that a text is decoded from.

    Returns:
        The scores, `FORBIDDEN` where a token is.
    """
    if limits.min_new_tokens:
        is_end_V = tf.reduce_any(tf.range(tf.shape(scores_BKV)[-1])[:, None] == ends, axis=1)
        is_early_V = is_end_V & (step < limits.min_new_tokens)
        scores_BKV = tf.where(is_early_V, FORBIDDEN, scores_BKV)
    if limits.no_repeat_ngram_size:
        scores_BKV = _forbid_repeats(
            scores_BKV, tokens_BKT, step, limits.no_repeat_ngram_size, start
        )
    return scores_BKV


def _forbid_repeats(
    scores_BKV: tf.Tensor, tokens_BKT: tf.Tensor, step: tf.Tensor, n: int, start: int
) -> tf.Tensor:
    """Forbid what has followed the last n − 1 tokens before."""
    T = tokens_BKT.shape[-1]
    windows = T + 1 - n  # of the start and the T − 1 tokens that another can follow
    if windows < 1:
        return scores_BKV
    text = tf.pad(tokens_BKT[..., :-1], [[0, 0], [0, 0], [1, 0]], constant_values=start)
    is_repeat_BKW = tf.ones_like(text[..., :windows], tf.bool)
    for place in range(n - 1):
        last = tf.gather(text, [tf.maximum(step - (n - 2) + place, 0)], axis=-1)
        is_repeat_BKW &= text[..., place : place + windows] == last
    is_repeat_BKW &= tf.range(windows) + n - 1 <= step
    next_BKW = text[..., n - 1 :]
    B, K, V = tf.unstack(tf.shape(scores_BKV))
    row_BK1 = tf.reshape(tf.range(B * K), tf.stack([B, K, 1]))
    places = tf.reshape(row_BK1 * V + next_BKW, [-1, 1])
    worst = tf.reshape(tf.where(is_repeat_BKW, FORBIDDEN, scores_BKV.dtype.max), [-1])
    flat = tf.tensor_scatter_nd_min(tf.reshape(scores_BKV, [-1]), places, worst)
    return tf.ensure_shape(tf.reshape(flat, tf.shape(scores_BKV)), scores_BKV.shape)
