"""The largest of a row's numbers, in order, without a sort.

A TPU sorts slowly. Of numbers that are few, each one's rank is counted; of hundreds, the largest is
looked for again and again; of a vocabulary, the blocks with the largest maxima hold all that can be
among the largest.

Shape letters: J numbers, k of them wanted, C blocks, W their width.
"""

import tensorflow as tf

from adapters_tf.runtime.target import is_for_tpu

_BLOCK = 128  # a TPU's lanes
_MOST_RANKED = 256  # numbers; what is compared is the square of them


def top_few(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Find the k largest of some tens or hundreds of numbers.

    Args:
        values: Floats […, J].
        k: How many, at most J.

    Returns:
        The values […, k], the largest first and the first of equals first, and their int32 places.
    """
    if not is_for_tpu():
        top, places = tf.math.top_k(values, k)
        return top, places
    J = values.shape[-1]
    if J > _MOST_RANKED:
        return _repeated_max(values, k)
    mine, theirs, place_J = values[..., :, None], values[..., None, :], tf.range(J)
    is_before = (theirs > mine) | ((theirs == mine) & (place_J < place_J[:, None]))
    rank = tf.reduce_sum(tf.cast(is_before, tf.int32), -1)
    is_at = rank[..., None, :] == tf.range(k)[:, None]
    top = tf.reduce_sum(tf.where(is_at, theirs, 0.0), -1)
    return top, tf.reduce_sum(tf.where(is_at, place_J, 0), -1)


def _repeated_max(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    found, place_J = [], tf.range(values.shape[-1])
    for _ in range(k):
        place = tf.argmax(values, axis=-1, output_type=tf.int32)
        found.append((tf.reduce_max(values, -1), place))
        values = tf.where(place_J == place[..., None], values.dtype.min, values)
    top, places = zip(*found, strict=True)
    return tf.stack(top, -1), tf.stack(places, -1)


def top_of_many(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Find the k largest of thousands of numbers.

    Args:
        values: Floats [B, K, J].
        k: How many, at most J.

    Returns:
        As `top_few`.
    """
    if not is_for_tpu():
        top, places = tf.math.top_k(values, k)
        return top, places
    J = values.shape[-1]
    blocks = -(-J // _BLOCK)
    padded = tf.pad(values, [[0, 0], [0, 0], [0, blocks * _BLOCK - J]], constant_values=-1e30)
    B, K, _ = tf.unstack(tf.shape(values))
    by_block_BKCW = tf.reshape(padded, tf.stack([B, K, blocks, _BLOCK]))
    _, block_BKk = top_few(tf.reduce_max(by_block_BKCW, -1), min(k, blocks))
    chosen = tf.gather(by_block_BKCW, block_BKk, batch_dims=2)
    flat = tf.reshape(chosen, tf.stack([B, K, min(k, blocks) * _BLOCK]))
    top, place = top_few(flat, k)
    block = tf.gather(block_BKk, place // _BLOCK, batch_dims=2)
    return top, block * _BLOCK + place % _BLOCK
