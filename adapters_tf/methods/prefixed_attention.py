"""TFT5's attention with trained keys and values before its own.

What the prefixes' positions are is a choice, for T5 adds a bias to each score by the distance from
the query to the key, and published libraries count differently:

    none      prefixes have no position, so no bias; tokens are as far apart as without them
    before    prefixes are the P positions before the first token (PEFT)
    shifted   keys are counted from the first prefix and queries from the first token, so that every
              token seems P positions further on than it is (AdapterHub with T5)

Only self-attentions have such biases.

Shape letters: B batch, Q queries, S keys, P prefix length, T target length, D model width, N heads,
H head width.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from adapters_tf.backbone.keras_internals import has_position_biases, head_shape, position_biases
from adapters_tf.backbone.sites import unwrap
from adapters_tf.banks.injection import AdaptedLayer
from adapters_tf.runtime.step_cache import KeyValue, StepCache

POSITIONS = ("none", "before", "shifted")
PACKED_ROWS = (
    "prefixes with positions cannot read packed rows, where every example has other distances to"
    " them; build the dataset without --pack, or train with positions: none"
)


class PrefixedAttention(AdaptedLayer):
    """TFT5's attention with prefixes: it takes and returns what the attention does.

    The attention is told that the prefixes are keys and values of the past, which it puts before
    those of its input. TFT5's cache of a self-attention never holds the prefixes, so that it may
    lose its oldest position; a cross-attention's does, and so does every `StepCache`. Position
    biases go in and out as blocks hand them on: with columns for the prefixes where these have
    positions, and without where not.

    Args:
        base: The attention.
        adapter: A `PrefixBank`.
    """

    def call(
        self,
        inputs: tf.Tensor,
        mask: tf.Tensor | None = None,
        key_value_states: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        past_key_value: KeyValue | StepCache | None = None,
        use_cache: bool = False,
        training: bool = False,
        **others: Any,
    ) -> tuple[Any, ...]:
        """Attend to the prefixes too.

        Args:
            inputs: [B, Q, D].
            mask: [B, 1, Q or 1, S], added to the scores where no `position_bias` is given.
            key_value_states: [B, S, D] for cross-attention.
            position_bias: [B or 1, N or 1, Q, S], mask included; where prefixes have positions,
                [B or 1, N, Q, P + S].
            past_key_value: Keys and values [B, N, …, H] of the cache; or a `StepCache`, whose slot
                is counted without the prefixes.
            use_cache: Whether to return the cache.
            training: Whether dropout is on.
            **others: Passed on.

        Returns:
            Output [B, Q, D], the cache or None, the position bias, and what else was asked for.
        """
        length = self.adapter.config.length
        unbiased = 0 if has_positions(self) else length
        if isinstance(past_key_value, StepCache):
            slot = past_key_value.slot
            return self.base(
                inputs,
                key_value_states=key_value_states,
                position_bias=_pad_keys(position_bias, unbiased),
                past_key_value=past_key_value._replace(
                    slot=None if slot is None else slot + length
                ),
                use_cache=use_cache,
                training=training,
                **others,
            )
        prefix = self.adapter.prefix(tf.shape(inputs)[0], inputs.dtype)
        is_cross = key_value_states is not None
        if position_bias is None:
            position_bias = self._position_bias(inputs, mask, key_value_states, past_key_value)
        if not is_cross:
            past = _put_in_front(prefix, past_key_value)
        elif past_key_value is None:
            past = _put_in_front(prefix, self._project(key_value_states))
        else:
            past = past_key_value
        outputs = self.base(
            inputs,
            key_value_states=key_value_states,
            position_bias=_pad_keys(position_bias, unbiased),
            past_key_value=past,
            use_cache=use_cache,
            training=training,
            **others,
        )
        cache = outputs[1]
        if cache is not None and not is_cross:
            cache = tuple(part[:, :, length:] for part in cache)
        return (outputs[0], cache, position_bias, *outputs[3:])

    def _project(self, states_BSD: tf.Tensor) -> KeyValue:
        base = self.base
        shape = [tf.shape(states_BSD)[0], -1, *head_shape(base)]
        keys, values = (
            tf.transpose(tf.reshape(project(states_BSD), shape), [0, 2, 1, 3])
            for project in (base.k, base.v)
        )
        return keys, values

    def _position_bias(
        self,
        inputs: tf.Tensor,
        mask: tf.Tensor | None,
        key_value_states: tf.Tensor | None,
        past_key_value: KeyValue | None,
    ) -> tf.Tensor:
        """Compute the first block's bias, as the attention would without prefixes or with them."""
        queries = tf.shape(inputs)[1]
        keys = queries if key_value_states is None else tf.shape(key_value_states)[1]
        if key_value_states is None and past_key_value is not None:
            keys += tf.shape(past_key_value[0])[2]
        if has_position_biases(self.base):
            bias = tf.cast(_biases(self, keys), inputs.dtype)[:, :, -queries:]
        else:
            bias = tf.zeros([1, head_shape(self.base)[0], queries, keys], inputs.dtype)
        if mask is None:
            return bias
        never_masked = self.adapter.config.length if has_positions(self) else 0
        return bias + _pad_keys(tf.cast(mask, inputs.dtype), never_masked)


def has_positions(attention: Any) -> bool:
    """Tell whether an attention has prefixes whose distance to a query matters.

    Args:
        attention: TFT5's, or a wrapper of it.

    Returns:
        Whether it is a self-attention whose prefixes have positions.
    """
    return isinstance(attention, PrefixedAttention) and attention.adapter.has_positions


def step_biases(attention: Any, length: int) -> tf.Tensor:
    """Compute the position biases of decoding one token at a time.

    Args:
        attention: The self-attention of the decoder's first block, wrapped or not.
        length: T, the most tokens to decode.

    Returns:
        [1, N, T, P + T], of every step's position to the prefixes, P being 0 where they have no
        positions, and to all positions.
    """
    return _biases(attention, length)


def prefix_slots(attention: Any, B: tf.Tensor, dtype: tf.DType) -> KeyValue | None:
    """Make the prefixes that a `StepCache` of a self-attention begins with.

    Args:
        attention: The self-attention, wrapped or not.
        B: int32 scalar, the rows.
        dtype: Of the result.

    Returns:
        Keys and values [B, N, P, H]; None where there are no prefixes.
    """
    if not isinstance(attention, PrefixedAttention):
        return None
    return attention.adapter.prefix(B, dtype)


def _biases(attention: Any, length: int | tf.Tensor) -> tf.Tensor:
    """Compute biases of `length` queries to prefixes that have positions and to as many keys."""
    base = unwrap(attention)
    if not has_positions(attention):
        return position_biases(base, length, length)
    config = attention.adapter.config
    keys = config.length + length
    if config.positions == "shifted":
        return position_biases(base, length, keys)
    return position_biases(base, keys, keys)[:, :, config.length :]


def _pad_keys(bias: tf.Tensor, length: int) -> tf.Tensor:
    return tf.pad(bias, [[0, 0], [0, 0], [0, 0], [length, 0]]) if length else bias


def _put_in_front(prefix: KeyValue, own: KeyValue | None) -> KeyValue:
    if own is None:
        return prefix
    keys, values = (tf.concat(pair, axis=2) for pair in zip(prefix, own, strict=True))
    return keys, values
