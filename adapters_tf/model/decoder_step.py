"""One position through TFT5's decoder, with a key-value cache of static size.

Everything that knows TFT5's blocks, caches and biases is here; whoever decodes, greedily or with
beams, calls `prepare_decoder` once and `decode_step` for every token.

The cache is a window that moves: TFT5 appends the current position to the T - 1 kept before it,
and the oldest is then dropped. So a slot's distance to the current position never changes, and
neither does its position bias; only the mask of the slots not filled yet does, and the distance to
prefixes that have positions.

Shape letters: B batch, S source length, T target length, D model width, N heads, H head width,
P prefix length.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from adapters_tf.backbone.keras_internals import head_shape
from adapters_tf.backbone.sites import unwrap
from adapters_tf.methods.prefixed_attention import window_biases
from adapters_tf.model.forward import states_mask

MASKED = -1e9  # what TFT5 adds to the scores of positions that may not be attended to
KeyValue = tuple[tf.Tensor, tf.Tensor]


class DecoderContext(NamedTuple):
    """What stays the same from step to step.

    Attributes:
        states: [B, S, D], of the encoder.
        cross_bias: [B, 1, 1, S], hides the padding.
        cross_caches: Per layer, keys and values [B, N, S, H] of the encoder's states.
        self_bias: [1, N, 1, T], of the current position (the last) to all in the window.
        prefix_bias: [1, N, T, P], of each step's position to prefixes that have positions.
    """

    states: tf.Tensor
    cross_bias: tf.Tensor
    cross_caches: list[KeyValue]
    self_bias: tf.Tensor
    prefix_bias: tf.Tensor


def prepare_decoder(
    backbone: Any, states_BSD: tf.Tensor, is_input_BS: tf.Tensor, length: int
) -> DecoderContext:
    """Compute what all steps share: cross-attention keys and values, and position biases.

    Args:
        backbone: A built TFT5, called where its adapters know the task.
        states_BSD: [B, S, D] encoder states.
        is_input_BS: bool [B, S], true on tokens, false on padding.
        length: T, the most tokens to decode, EOS included.

    Returns:
        The context that every `decode_step` takes.
    """
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
    return DecoderContext(states_BSD, cross_bias_B11S, cross_caches, *biases)


def empty_caches(backbone: Any, B: tf.Tensor, slots: int) -> list[KeyValue]:
    """Make the caches of self-attention before the first step.

    Args:
        backbone: A built TFT5.
        B: int32 scalar, the rows.
        slots: Positions kept before the current one, T - 1.

    Returns:
        Per layer, keys and values [B, N, T - 1, H] of zeros.
    """
    caches = []
    for block in backbone.decoder.block:
        attention = unwrap(block.layer[0].SelfAttention)
        heads, width = head_shape(attention)
        empty_BNTH = tf.zeros([B, heads, slots, width], attention.compute_dtype)
        caches.append((empty_BNTH, empty_BNTH))
    return caches


def decode_step(
    backbone: Any,
    context: DecoderContext,
    step: tf.Tensor,
    token_B: tf.Tensor,
    caches: list[KeyValue],
    length: int,
) -> tuple[tf.Tensor, list[KeyValue]]:
    """Run one position through the decoder.

    Args:
        backbone: A built TFT5, called where its adapters know the task.
        context: From `prepare_decoder`.
        step: int32 scalar, the position, from 0.
        token_B: int32 [B], the tokens at that position.
        caches: From the step before, or `empty_caches`.
        length: T, the most tokens to decode.

    Returns:
        The decoder's final states [B, 1, D], and the new caches.
    """
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
