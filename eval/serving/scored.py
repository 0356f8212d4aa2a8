"""Decoded answers with the log-probability of what was decoded.

Shape letters: B batch, S source length, T target length.
"""

from collections.abc import Mapping

import tensorflow as tf

from adapters_tf import TaskModel, encode
from adapters_tf.backbone.generation import end_ids
from adapters_tf.model.forward import decode
from eval.decoding.greedy import decode_greedily
from eval.decoding.labels import score_tokens

Batch = Mapping[str, tf.Tensor]


def decode_with_scores(model: TaskModel, batch: Batch, length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode greedily, and score what was decoded in one pass more of the decoder.

    Args:
        model: The model to ask.
        batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B].
        length: T, the most tokens to decode.

    Returns:
        int32 [B, T] tokens, and float32 [B], the sums of their log-probabilities.
    """
    with model.route(batch):
        states_BSD = encode(model.backbone, batch)
        is_input_BS = batch["encoder_input_tokens"] != 0
        tokens_BT = decode_greedily(model.backbone, states_BSD, is_input_BS, length)
        start = model.backbone.config.decoder_start_token_id
        before_BT = tf.pad(tokens_BT[:, :-1], [[0, 0], [1, 0]], constant_values=start)
        asked = {**batch, "decoder_input_tokens": tf.ensure_shape(before_BT, [None, length])}
        hidden_BTD = decode(model.backbone, asked, states_BSD)
        tokens_BT = tf.ensure_shape(tokens_BT, [None, length])
        scores_BT = score_tokens(model.backbone, hidden_BTD, tokens_BT)
    # A pad id counts as any other token where the model answers with it, before the end.
    ends = tf.constant(end_ids(model.backbone.config), tf.int32)
    is_end_BT = tf.cast(tf.reduce_any(tokens_BT[..., None] == ends, -1), tf.int32)
    has_ended_BT = tf.cumsum(is_end_BT, axis=1, exclusive=True) > 0
    return tokens_BT, tf.reduce_sum(tf.where(has_ended_BT, 0.0, scores_BT), 1)


def score_first(model: TaskModel, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Find the likeliest token of the first decoder step.

    Args:
        model: The model to ask.
        batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B].

    Returns:
        int32 [B, 1] tokens, and float32 [B], their log-probabilities.
    """
    start = model.backbone.config.decoder_start_token_id
    first_B1 = tf.ones_like(batch["encoder_input_tokens"][:, :1]) * start
    logits_BV = model({**batch, "decoder_input_tokens": first_B1}, training=False)[:, 0]
    best_B1 = tf.argmax(logits_BV, axis=-1, output_type=tf.int32)[:, None]
    return best_B1, tf.reduce_max(tf.nn.log_softmax(logits_BV), -1)
