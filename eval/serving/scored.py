"""Decoded answers with the log-probability of what was decoded.

Shape letters: B batch, K samples (1), S source length, T target length, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from adapters_tf import TaskModel, encode
from eval.decoding.loop import decode_tokens
from eval.decoding.options import Limits

Batch = Mapping[str, tf.Tensor]


def decode_with_scores(
    model: TaskModel, batch: Batch, length: int, limits: Limits
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode greedily, and add up what the model finds each token probable by.

    Args:
        model: The model to ask.
        batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B].
        length: T, the most tokens to decode.
        limits: What tokens may not be.

    Returns:
        int32 [B, T] tokens, and float32 [B], the sums of their log-probabilities.
    """
    with model.route(batch):
        found = decode_tokens(
            model.backbone,
            encode(model.backbone, batch),
            batch["encoder_input_tokens"] != 0,
            length,
            _choose_best,
            limits=limits,
        )
    return found.tokens[:, 0], found.scores[:, 0]


def _choose_best(
    logits_BKV: tf.Tensor, allowed_BKV: tf.Tensor, step: tf.Tensor, own: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    token_BK = tf.argmax(allowed_BKV, axis=-1, output_type=tf.int32)
    best_BK = tf.gather(logits_BKV, token_BK, batch_dims=2)
    return token_BK, best_BK - tf.reduce_logsumexp(logits_BKV, axis=-1)


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
