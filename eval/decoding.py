"""Greedy decoding inside one compiled program, with a key-value cache of static size.

Each step runs one position through the decoder's own sublayers, adapters included, and stops as
soon as every row has ended. TFT5's `generate` does the same from outside the program; here
nothing but the finished token ids leaves the device.

The cache is a window that moves: TFT5 appends the current position to the T - 1 kept before it,
and the oldest is then dropped. So a slot's distance to the current position never changes, and
neither does its position bias; only the mask of the slots not filled yet does, and the distance to
prefixes that have positions.

Shapes: B batch, S source length, T target length, D model width, N heads, H head width,
V vocabulary.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode, project_logits, route, states_mask
from adapters_tf.methods.prefixed_attention import window_biases
from adapters_tf.sites import unwrap

MASKED = -1e9  # what TFT5 adds to the scores of positions that may not be attended to

KeyValue = tuple[tf.Tensor, tf.Tensor]


class GreedyModel(tf_keras.Model):
    """The sequence that takes the most probable token at each step.

    Args:
        model: the model to ask.
        length: T, the most tokens to decode, EOS included.
    """

    def __init__(self, model: TaskModel, *, length: int):
        super().__init__(name=f"greedy_model_{length}")
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Decodes every row until EOS or T tokens.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal.
            training: ignored; there is no dropout in evaluation.

        Returns:
            int32 [B, T], EOS included, the pad id after it.
        """
        with route(batch["task"]):
            states_BSD = encode(self.model.backbone, batch)
            return decode_greedily(
                self.model.backbone, states_BSD, batch["encoder_input_tokens"] != 0, self.length
            )


class _Context(NamedTuple):
    """What stays the same from step to step.

    Attributes:
        states: [B, S, D], of the encoder.
        cross_bias: [B, 1, 1, S], hides the padding.
        cross_caches: per layer, keys and values [B, N, S, H] of the encoder's states.
        self_bias: [1, N, 1, T], of the current position (the last) to all in the window.
        prefix_bias: [1, N, T, P], of each step's position to prefixes that have positions.
    """

    states: tf.Tensor
    cross_bias: tf.Tensor
    cross_caches: list[KeyValue]
    self_bias: tf.Tensor
    prefix_bias: tf.Tensor


def decode_greedily(
    backbone: Any, states_BSD: tf.Tensor, is_input_BS: tf.Tensor, length: int
) -> tf.Tensor:
    """Runs the decoder step by step from the start token.

    Args:
        backbone: a built TFT5, called where its adapters know the task.
        states_BSD: [B, S, D] encoder states.
        is_input_BS: bool [B, S], true on tokens, false on padding.
        length: T, the most tokens to decode, EOS included.

    Returns:
        int32 [B, T].
    """
    config = backbone.config
    context = _prepare(backbone, states_BSD, is_input_BS, length)
    B = tf.shape(states_BSD)[0]

    def is_unfinished(step, token_B, has_ended_B, output_BT, caches):
        return tf.logical_and(step < length, tf.logical_not(tf.reduce_all(has_ended_B)))

    def decode_one(step, token_B, has_ended_B, output_BT, caches):
        hidden_B1D, caches = _step(backbone, context, step, token_B, caches, length)
        logits_BV = project_logits(backbone, hidden_B1D)[:, 0]
        best_B = tf.argmax(logits_BV, axis=-1, output_type=tf.int32)
        token_B = tf.where(has_ended_B, config.pad_token_id, best_B)
        output_BT = tf.where(tf.range(length) == step, token_B[:, None], output_BT)
        has_ended_B = has_ended_B | (token_B == config.eos_token_id)
        return step + 1, token_B, has_ended_B, output_BT, caches

    start = (
        tf.constant(0),
        tf.fill([B], config.decoder_start_token_id),
        # A row of padding has no answer, and must not keep the loop going.
        tf.logical_not(tf.reduce_any(is_input_BS, axis=1)),
        tf.fill([B, length], config.pad_token_id),
        _empty_caches(backbone, B, length - 1),
    )
    return tf.while_loop(is_unfinished, decode_one, start)[3]


def _prepare(backbone: Any, states_BSD: tf.Tensor, is_input_BS: tf.Tensor, length: int) -> _Context:
    """Computes what all steps share: cross-attention keys and values, and position biases."""
    first = backbone.decoder.block[0]
    dtype = unwrap(first.layer[0].SelfAttention).compute_dtype
    is_padding_BS = tf.cast(tf.logical_not(states_mask(backbone, is_input_BS)), dtype)
    cross_bias_B11S = is_padding_BS[:, None, None, :] * MASKED
    query_B1D = tf.zeros_like(states_BSD[:, :1])
    # Asking the sublayer itself for its keys and values, with a blank query, keeps in force
    # whatever wraps it; the compiler drops the attention nobody reads.
    cross_caches = [
        block.layer[1](
            query_B1D,
            key_value_states=states_BSD,
            position_bias=cross_bias_B11S,
            use_cache=True,
            training=False,
        )[1]
        for block in backbone.decoder.block
    ]
    biases = (tf.cast(b, dtype) for b in window_biases(first.layer[0].SelfAttention, length))
    return _Context(states_BSD, cross_bias_B11S, cross_caches, *biases)


def _empty_caches(backbone: Any, B: tf.Tensor, slots: int) -> list[KeyValue]:
    caches = []
    for block in backbone.decoder.block:
        attention = unwrap(block.layer[0].SelfAttention)
        shape = [B, attention.n_heads, slots, attention.key_value_proj_dim]
        empty_BNTH = tf.zeros(shape, attention.compute_dtype)
        caches.append((empty_BNTH, empty_BNTH))
    return caches


def _step(
    backbone: Any,
    context: _Context,
    step: tf.Tensor,
    token_B: tf.Tensor,
    caches: list[KeyValue],
    length: int,
) -> tuple[tf.Tensor, list[KeyValue]]:
    """Runs one position through the decoder: its final states [B, 1, D] and the new caches."""
    is_unfilled_T = tf.range(length) < length - 1 - step
    bias_1N1T = context.self_bias + tf.cast(is_unfilled_T, context.self_bias.dtype) * MASKED
    prefix_bias_1N1P = tf.gather(context.prefix_bias, step[None], axis=2)
    bias_1N1S = tf.concat([prefix_bias_1N1P, bias_1N1T], axis=-1)
    hidden_B1D = backbone.shared(token_B[:, None])
    new_caches = []
    for block, cache, cross in zip(
        backbone.decoder.block, caches, context.cross_caches, strict=True
    ):
        hidden_B1D, (key_BNTH, value_BNTH), *_ = block.layer[0](
            hidden_B1D,
            position_bias=bias_1N1S,
            past_key_value=cache,
            use_cache=True,
            training=False,
        )
        hidden_B1D = block.layer[1](
            hidden_B1D,
            key_value_states=context.states,
            position_bias=context.cross_bias,
            past_key_value=cross,
            training=False,
        )[0]
        hidden_B1D = block.layer[-1](hidden_B1D, training=False)
        new_caches.append((key_BNTH[:, :, 1:], value_BNTH[:, :, 1:]))
    return backbone.decoder.final_layer_norm(hidden_B1D), new_caches
