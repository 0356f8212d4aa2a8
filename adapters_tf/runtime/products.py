"""Matrix products that are laid out for the device that they run on.

Shape letters: I inputs, O outputs, V rows of a table, D their width.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from adapters_tf.runtime.target import is_for_tpu

_FEW_ROWS = 64  # of states, up to which a table is not worth being transposed on a CPU


def project(inputs: tf.Tensor, kernel_IO: tf.Tensor) -> tf.Tensor:
    """Multiply the last axis by a matrix.

    Merging the axes before it, as a CPU's product wants, makes a TPU's compiler lay them out side
    by side, for which it moves whole activations.

    Args:
        inputs: [..., I].
        kernel_IO: [I, O], of the same dtype.

    Returns:
        [..., O].
    """
    if is_for_tpu():
        return tf.einsum("...i,io->...o", inputs, kernel_IO)
    return tf.tensordot(inputs, kernel_IO, 1)


def score_words(states_BTD: tf.Tensor, table: tf.Tensor, *, has_row_per_word: bool) -> tf.Tensor:
    """Multiply every position with every word of a table.

    Args:
        states_BTD: [B, T, D].
        table: [V, D], of the same dtype; without rows per word [D, V].
        has_row_per_word: Which of the two it is.

    Returns:
        [B, T, V].
    """
    if is_for_tpu():
        words = "vd" if has_row_per_word else "dv"
        return tf.einsum(f"btd,{words}->btv", states_BTD, table)
    states, shape = _merge_rows(states_BTD)
    rows = states.shape[0]
    # How many are not known beforehand, decode: they are few.
    if has_row_per_word and (rows is None or rows <= _FEW_ROWS):
        # A product of batches reads the table as it lies; one of matrices transposes it before.
        return _split_rows(tf.matmul(states[None], table[None], transpose_b=True)[0], shape)
    return _split_rows(tf.matmul(states, table, transpose_b=has_row_per_word), shape)


def score_words_gradient(
    slope_BTV: tf.Tensor, states_BTD: tf.Tensor, table: tf.Tensor, *, has_row_per_word: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute the gradients of `score_words`.

    Args:
        slope_BTV: [B, T, V], by the scores.
        states_BTD: [B, T, D].
        table: As given there.
        has_row_per_word: As given there.

    Returns:
        By the states [B, T, D], and by the table, of its shape.
    """
    if is_for_tpu():
        words = "vd" if has_row_per_word else "dv"
        by_states_BTD = tf.einsum(f"btv,{words}->btd", slope_BTV, table)
        return by_states_BTD, tf.einsum(f"btv,btd->{words}", slope_BTV, states_BTD)
    (slope, shape), (states, _) = _merge_rows(slope_BTV), _merge_rows(states_BTD)
    by_states = tf.matmul(slope, table, transpose_b=not has_row_per_word)
    left, right = (slope, states) if has_row_per_word else (states, slope)
    return _split_rows(by_states, shape), tf.matmul(left, right, transpose_a=True)


def _merge_rows(inputs_BTD: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.reshape(inputs_BTD, [-1, inputs_BTD.shape[-1]]), tf.shape(inputs_BTD)[:2]


def _split_rows(rows: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    return tf.reshape(rows, tf.concat([shape, rows.shape[-1:]], 0))


def read_rows(table: tf.Variable | tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Read rows of a table that is read whole elsewhere.

    Given a variable, `tf.gather` is an operation after which TensorFlow copies the variable
    whenever it is read: here the words' table, whole, at each token decoded. So it is read first,
    which copies nothing, and the rows are gathered from that.

    Args:
        table: [V, D].
        rows: int32 […].

    Returns:
        […, D].
    """
    is_variable = isinstance(table, tf.Variable)
    return tf.gather(tf.convert_to_tensor(table) if is_variable else table, rows)


def look_up(table_VD: tf.Tensor, rows_BT: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Read rows of a large table, with a gradient that is a product, as a TPU wants it.

    The gradient of a gather is a scatter, which a TPU does row after row, and sorts the rows
    before. T5X looks its embeddings up by products with one-hot rows in both directions.

    Args:
        table_VD: [V, D].
        rows_BT: int32 [B, T].
        dtype: Of the result, and of the product.

    Returns:
        [B, T, D].
    """

    @tf.custom_gradient
    def apply(table_VD: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream_BTD: tf.Tensor) -> tf.Tensor:
            one_hot_BTV = tf.one_hot(rows_BT, table_VD.shape[0], dtype=dtype)
            by_table = tf.einsum("btv,btd->vd", one_hot_BTV, upstream_BTD)
            return tf.cast(by_table, table_VD.dtype)

        return tf.cast(tf.gather(table_VD, rows_BT), dtype), gradient

    return apply(table_VD)


def look_up_few(table_RN: tf.Tensor, rows_QS: tf.Tensor) -> tf.Tensor:
    """Read rows of a small table very often; on a TPU by a product, in both directions.

    Args:
        table_RN: [R, N], with R some tens.
        rows_QS: int32 [Q, S].

    Returns:
        [N, Q, S].
    """
    if not is_for_tpu():
        return tf.transpose(tf.gather(table_RN, rows_QS), [2, 0, 1])
    one_hot_QSR = tf.one_hot(rows_QS, table_RN.shape[0], dtype=table_RN.dtype)
    return tf.einsum("qsr,rn->nqs", one_hot_QSR, table_RN)
