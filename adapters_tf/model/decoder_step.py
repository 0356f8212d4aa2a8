"""One position through TFT5's decoder, with a key-value cache of static size.

Everything that knows TFT5's blocks, caches and biases is here; whoever decodes, greedily or with
beams, calls `prepare_decoder` once and `decode_step` for every token.

Each token of each beam has a slot of its own in the cache, which is never moved, copied or
reordered: a beam that goes on from another one attends to the slots that the other one filled, and
all that changes is which slots those are. Beams are to the decoder what positions are to a
forward pass, for all but self-attention treats positions alike, and an example's beams share its
encoder states and its task.

Shape letters: B batch, K beams (1: none), S source length, T target length, D model width, N heads,
H head width, P prefix length.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from adapters_tf.backbone.keras_internals import head_shape
from adapters_tf.backbone.sites import unwrap
from adapters_tf.methods.prefixed_attention import prefix_slots, step_biases
from adapters_tf.model.forward import states_mask
from adapters_tf.runtime.step_cache import KeyValue, StepCache, lay_out, make_cache

MASKED = -1e9  # what TFT5 adds to the scores of positions that may not be attended to


class DecoderContext(NamedTuple):
    """What stays the same from step to step.

    Attributes:
        states: [B, S, D], of the encoder.
        cross_bias: [B, 1, 1, S], hides the padding.
        cross_caches: Per layer, keys and values of the encoder's states, as `lay_out` has them.
        self_bias: [1, N, T, P + T·K], of every step to prefixes that have positions and to all
            slots; those of later steps are hidden.
        beams: K.
    """

    states: tf.Tensor
    cross_bias: tf.Tensor
    cross_caches: list[KeyValue]
    self_bias: tf.Tensor
    beams: int


def prepare_decoder(
    backbone: Any, states_BSD: tf.Tensor, is_input_BS: tf.Tensor, length: int, beams: int = 1
) -> DecoderContext:
    """Compute what all steps share: cross-attention keys and values, and position biases.

    Args:
        backbone: A built TFT5 with lean layers, called where its adapters know the task.
        states_BSD: [B, S, D] encoder states.
        is_input_BS: bool [B, S], true on tokens, false on padding.
        length: T, the most tokens to decode, EOS included.
        beams: K.

    Returns:
        The context that every `decode_step` takes.
    """
    first = backbone.decoder.block[0].layer[0].SelfAttention
    dtype = unwrap(first).compute_dtype
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
    laid_out = [(lay_out(keys), lay_out(values)) for keys, values in cross_caches]
    bias = _self_bias(tf.cast(step_biases(first, length), dtype), length, beams)
    return DecoderContext(states_BSD, cross_bias_B11S, laid_out, bias, beams)


def empty_caches(backbone: Any, B: tf.Tensor, length: int, beams: int = 1) -> list[KeyValue]:
    """Make the caches of self-attention before the first step.

    Args:
        backbone: A built TFT5, called where its adapters know the task.
        B: int32 scalar, the rows.
        length: T, the most tokens to decode.
        beams: K.

    Returns:
        Per layer, keys and values of P + T·K slots, as `lay_out` has them.
    """
    caches = []
    for block in backbone.decoder.block:
        attention = block.layer[0].SelfAttention
        base = unwrap(attention)
        prefix = prefix_slots(attention, B, base.compute_dtype)
        caches.append(make_cache(B, length * beams, head_shape(base), base.compute_dtype, prefix))
    return caches


def decode_step(
    backbone: Any,
    context: DecoderContext,
    step: tf.Tensor,
    token_BK: tf.Tensor,
    caches: list[KeyValue],
    owner_BKT: tf.Tensor | None = None,
) -> tuple[tf.Tensor, list[KeyValue]]:
    """Run one position through the decoder.

    Args:
        backbone: A built TFT5 with lean layers, called where its adapters know the task.
        context: From `prepare_decoder`.
        step: int32 scalar, the position, from 0.
        token_BK: int32 [B, K], the tokens at that position.
        caches: From the step before, or `empty_caches`.
        owner_BKT: int32 [B, K, T], which beam decoded each of a beam's positions, the current one
            included; None where there is one beam.

    Returns:
        The decoder's final states [B, K, D], and the new caches.
    """
    bias = tf.slice(context.self_bias, tf.stack([0, 0, step, 0]), [-1, -1, 1, -1])
    if owner_BKT is not None:
        bias += _hide_others(owner_BKT, context)
    hidden_BKD = backbone.shared(token_BK)
    new_caches = []
    for block, cache, cross in zip(
        backbone.decoder.block, caches, context.cross_caches, strict=True
    ):
        hidden_BKD, filled, *_ = block.layer[0](
            hidden_BKD,
            position_bias=bias,
            past_key_value=StepCache(*cache, slot=step * context.beams),
            use_cache=True,
            training=False,
        )
        hidden_BKD = block.layer[1](
            hidden_BKD,
            key_value_states=context.states,
            position_bias=context.cross_bias,
            past_key_value=StepCache(*cross),
            training=False,
        )[0]
        hidden_BKD = block.layer[-1](hidden_BKD, training=False)
        new_caches.append((filled.keys, filled.values))
    return backbone.decoder.final_layer_norm(hidden_BKD), new_caches


def _self_bias(bias_1NTS: tf.Tensor, length: int, beams: int) -> tf.Tensor:
    """Hide later positions, and give all slots of a position its bias."""
    is_later_TT = tf.range(length)[:, None] < tf.range(length)
    own_1NTT = bias_1NTS[..., -length:] + tf.cast(is_later_TT, bias_1NTS.dtype) * MASKED
    return tf.concat([bias_1NTS[..., :-length], tf.repeat(own_1NTT, beams, axis=-1)], axis=-1)


def _hide_others(owner_BKT: tf.Tensor, context: DecoderContext) -> tf.Tensor:
    """Hide the slots that other beams filled; [B, 1, K, P + T·K]."""
    is_other_BKTK = owner_BKT[..., None] != tf.range(context.beams)
    B, K, T = tf.unstack(tf.shape(owner_BKT))
    slots = context.beams * owner_BKT.shape[2]
    is_other = tf.reshape(is_other_BKTK, tf.stack([B, 1, K, T * context.beams]))
    bias = tf.cast(is_other, context.self_bias.dtype) * MASKED
    prefixes = context.self_bias.shape[-1] - slots
    return tf.pad(bias, [[0, 0], [0, 0], [0, 0], [prefixes, 0]])
