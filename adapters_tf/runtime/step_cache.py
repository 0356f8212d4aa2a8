"""Keys and values of an attention that decodes token by token, laid out for the device.

Slots are fixed: what is decoded is written into its own, and nothing is moved. On a TPU heads lie
side by side, [B, S, N·H]: a head of 64 fills half of its lanes, and a product with one query per
head would be done as sums over lanes. The heads of a query are rows of their own there, blank
outside of the head, so that all of them are one product. Elsewhere heads come first,
[B, N, S, H], as products over a batch want them.

Shape letters: B batch, K queries (beams of one example), S slots, N heads, H head width,
E = N·H.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from adapters_tf.runtime.target import is_for_tpu

KeyValue = tuple[tf.Tensor, tf.Tensor]


class StepCache(NamedTuple):
    """The cache of one attention.

    Attributes:
        keys: Of every slot, as `lay_out` returns them.
        values: The same.
        slot: int32 scalar, the first that the queries' own keys and values are written to; None
            where all slots are filled.
    """

    keys: tf.Tensor
    values: tf.Tensor
    slot: tf.Tensor | None = None


def lay_out(part_BNSH: tf.Tensor) -> tf.Tensor:
    """Lay keys or values out for the device.

    Args:
        part_BNSH: [B, N, S, H].

    Returns:
        [B, S, E] for a TPU, the same elsewhere.
    """
    return merge_heads(part_BNSH) if is_for_tpu() else part_BNSH


def merge_heads(part_BNSH: tf.Tensor) -> tf.Tensor:
    """Put heads side by side.

    Args:
        part_BNSH: [B, N, S, H].

    Returns:
        [B, S, E].
    """
    _, heads, _, width = part_BNSH.shape
    B, _, S, _ = tf.unstack(tf.shape(part_BNSH))
    return tf.reshape(tf.transpose(part_BNSH, [0, 2, 1, 3]), tf.stack([B, S, heads * width]))


def make_cache(
    B: tf.Tensor, slots: int, heads: tuple[int, int], dtype: tf.DType, front: KeyValue | None
) -> KeyValue:
    """Make the cache of an attention before the first step.

    Args:
        B: int32 scalar, the rows.
        slots: How many are to be filled.
        heads: N and H.
        dtype: Of keys and values.
        front: [B, N, P, H], keys and values of filled slots before them; None for none.

    Returns:
        Keys and values of all slots, zeros where they are to be filled.
    """
    number, width = heads
    empty = tf.zeros([B, number, slots, width], dtype)
    if front is None:
        return lay_out(empty), lay_out(empty)
    keys, values = (lay_out(tf.concat([part, empty], axis=2)) for part in front)
    return keys, values


def write_step(
    cache: StepCache, keys_BKE: tf.Tensor, values_BKE: tf.Tensor, heads: int
) -> StepCache:
    """Write a step's keys and values into their slots.

    Args:
        cache: Whose `slot` says where.
        keys_BKE: Of the queries' own positions.
        values_BKE: The same.
        heads: N.

    Returns:
        The new cache.
    """
    keys = _write(cache.keys, keys_BKE, cache.slot, heads)
    return StepCache(keys, _write(cache.values, values_BKE, cache.slot, heads), cache.slot)


def attend_step(query_BKE: tf.Tensor, cache: StepCache, bias: tf.Tensor, heads: int) -> tf.Tensor:
    """Average values by softmax(q · k + bias).

    Args:
        query_BKE: [B, K, E].
        cache: Keys and values.
        bias: Added to the scores, broadcast to [B, N, K, S].
        heads: N.

    Returns:
        [B, K, E], in the queries' dtype.
    """
    dtype = query_BKE.dtype
    if not is_for_tpu():
        query_BNKH = _split_heads(query_BKE, heads)
        scores = tf.matmul(query_BNKH, cache.keys, transpose_b=True) + bias
        context_BNKH = tf.matmul(tf.nn.softmax(scores), cache.values)
        return tf.reshape(tf.transpose(context_BNKH, [0, 2, 1, 3]), tf.shape(query_BKE))
    E = query_BKE.shape[-1]
    own_NE = tf.repeat(tf.eye(heads, dtype=dtype), E // heads, axis=1)
    query_BKNE = query_BKE[:, :, None] * own_NE
    scores = tf.einsum("bkne,bse->bkns", query_BKNE, cache.keys)
    bias_BKNS = tf.transpose(bias, [0, 2, 1, 3])
    scores = tf.cast(scores, tf.float32) + tf.cast(bias_BKNS, tf.float32)
    weights = tf.cast(tf.nn.softmax(scores), dtype)
    context_BKNE = tf.einsum("bkns,bse->bkne", weights, cache.values)
    return tf.reduce_sum(context_BKNE * own_NE, axis=2)


def _split_heads(states_BKE: tf.Tensor, heads: int) -> tf.Tensor:
    B, K, _ = tf.unstack(tf.shape(states_BKE))
    split = tf.reshape(states_BKE, tf.stack([B, K, heads, states_BKE.shape[-1] // heads]))
    return tf.transpose(split, [0, 2, 1, 3])


def _write(part: tf.Tensor, new_BKE: tf.Tensor, slot: tf.Tensor, heads: int) -> tf.Tensor:
    if is_for_tpu():
        return xla.dynamic_update_slice(part, new_BKE, tf.stack([0, slot, 0]))
    new_BNKH = _split_heads(new_BKE, heads)
    K = new_BKE.shape[1]
    place_S = tf.range(tf.shape(part)[2]) - slot
    is_new_S1 = tf.logical_and(place_S >= 0, place_S < K)[:, None]
    if K > 1:
        new_BNKH = tf.gather(new_BNKH, tf.clip_by_value(place_S, 0, K - 1), axis=2)
    return tf.where(is_new_S1, new_BNKH, part)
