"""The forward pass of a TFT5: encoder, decoder over given targets, scores.

Shape letters: B batch, S source length, T target length, D model width, V vocabulary.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from adapters_tf.banks.injection import AdaptedLayer
from adapters_tf.runtime.products import read_rows, score_words

Batch = Mapping[str, tf.Tensor]


def encode(backbone: tf_keras.Model, batch: Batch, training: bool = False) -> tf.Tensor:
    """Run the encoder.

    Args:
        backbone: The TFT5.
        batch: `encoder_input_tokens` int32 [B, S], 0 where padded; of packed rows also
            `encoder_segment_ids` int32 [B, S].
        training: Whether dropout is on.

    Returns:
        [B, S, D] encoder states; with prompts, theirs come first.
    """
    tokens_BS = batch["encoder_input_tokens"]
    if is_packed(batch):
        segments_BS = batch["encoder_segment_ids"]
        mask = same_segment(segments_BS, segments_BS)
    else:
        mask = tf.cast(tokens_BS != 0, tf.int32)
    return backbone.encoder(tokens_BS, attention_mask=mask, training=training)[0]


def states_mask(backbone: tf_keras.Model, is_input_BS: tf.Tensor) -> tf.Tensor:
    """Tell which encoder states may be attended to.

    Args:
        backbone: A TFT5, with prompts or without.
        is_input_BS: [B, S], bool or 0 and 1: which positions of the input are tokens.

    Returns:
        The same, or what the encoder's wrapper says, such as [B, P + S] with prompts.
    """
    encoder = backbone.encoder
    return encoder.states_mask(is_input_BS) if isinstance(encoder, AdaptedLayer) else is_input_BS


def decode(
    backbone: tf_keras.Model, batch: Batch, states_BSD: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Run the decoder over given targets.

    Args:
        backbone: The TFT5.
        batch: What `TaskModel` takes.
        states_BSD: [B, S, D] encoder states.
        training: Whether dropout is on.

    Returns:
        [B, T, D] decoder states.
    """
    self_mask_BTT = None
    if has_several_targets(batch):
        segments_BT = batch["decoder_segment_ids"]
        # Given a mask of three dimensions, TFT5 leaves out its own, which hides the future.
        position_T = tf.range(tf.shape(segments_BT)[1])
        is_past_TT = tf.cast(position_T[:, None] >= position_T, tf.int32)
        self_mask_BTT = same_segment(segments_BT, segments_BT) * is_past_TT
    if is_packed(batch):
        cross_mask = same_segment(batch["decoder_segment_ids"], batch["encoder_segment_ids"])
    else:
        is_input_BS = batch["encoder_input_tokens"] != 0
        cross_mask = tf.cast(states_mask(backbone, is_input_BS), tf.int32)
    return backbone.decoder(
        batch["decoder_input_tokens"],
        attention_mask=self_mask_BTT,
        encoder_hidden_states=states_BSD,
        encoder_attention_mask=cross_mask,
        use_cache=False,
        training=training,
    )[0]


def is_packed(batch: Batch) -> bool:
    """Tell whether the rows of a batch hold several examples each."""
    return "encoder_segment_ids" in batch


def has_several_targets(batch: Batch) -> bool:
    """Tell whether the rows of a batch hold several targets each, of one input or of several."""
    return "decoder_segment_ids" in batch


def same_segment(queries_BT: tf.Tensor, keys_BS: tf.Tensor) -> tf.Tensor:
    """Let each position attend to the positions of its own example alone.

    T5's position biases depend on differences of positions, so within an example they are those
    of the example by itself. Padding, segment 0, attends to padding.

    Args:
        queries_BT: int32 [B, T], segment ids of the positions that attend.
        keys_BS: int32 [B, S], segment ids of those attended to.

    Returns:
        int32 [B, T, S], 1 where attention is allowed.
    """
    return tf.cast(queries_BT[:, :, None] == keys_BS[:, None, :], tf.int32)


class WordTable(NamedTuple):
    """What decoder states are multiplied with to score the vocabulary.

    Attributes:
        values: [V, D], the embedding, or of a separate head [D, V]; of the states' dtype.
        has_row_per_word: Which of the two it is.
    """

    values: tf.Tensor
    has_row_per_word: bool


def word_table(backbone: tf_keras.Model, hidden_BTD: tf.Tensor) -> tuple[tf.Tensor, WordTable]:
    """Prepare decoder states, and find the table, for `score_words`.

    A head tied to the embedding scales by D^-0.5 first (Raffel et al. 2020, arXiv 1910.10683).

    Args:
        backbone: The TFT5.
        hidden_BTD: [B, T, D] decoder states.

    Returns:
        States [B, T, D], and the table.
    """
    states_BTD, table, is_tied = _scale_states(backbone, hidden_BTD)
    return states_BTD, WordTable(tf.cast(table, states_BTD.dtype), is_tied)


def _scale_states(
    backbone: tf_keras.Model, hidden_BTD: tf.Tensor
) -> tuple[tf.Tensor, tf.Variable, bool]:
    """Make what the table is multiplied with; the table as stored, and whether it is tied."""
    if not backbone.config.tie_word_embeddings:
        return hidden_BTD, backbone.lm_head.kernel, False
    return hidden_BTD * backbone.config.d_model**-0.5, backbone.shared.embeddings, True


def project_logits(backbone: tf_keras.Model, hidden_BTD: tf.Tensor) -> tf.Tensor:
    """Turn decoder states into scores over the vocabulary.

    Args:
        backbone: The TFT5.
        hidden_BTD: [B, T, D] decoder states.

    Returns:
        float32 [B, T, V] logits.
    """
    states_BTD, table = word_table(backbone, hidden_BTD)
    scores_BTV = score_words(states_BTD, table.values, has_row_per_word=table.has_row_per_word)
    return tf.cast(scores_BTV, tf.float32)


def project_words(
    backbone: tf_keras.Model, hidden_BTD: tf.Tensor, words_BK: tf.Tensor
) -> tf.Tensor:
    """Turn decoder states into the scores of some words, which are all that is computed.

    Args:
        backbone: The TFT5.
        hidden_BTD: [B, T, D] decoder states.
        words_BK: int32 [B, K], token ids of each row's words.

    Returns:
        float32 [B, T, K] logits, as `project_logits` has them.
    """
    states_BTD, table, has_row_per_word = _scale_states(backbone, hidden_BTD)
    if has_row_per_word:
        rows_BKD = read_rows(table, words_BK)
    else:
        rows_BKD = tf.transpose(tf.gather(table, words_BK, axis=1), [1, 2, 0])
    rows_BKD = tf.cast(rows_BKD, states_BTD.dtype)
    return tf.cast(tf.einsum("btd,bkd->btk", states_BTD, rows_BKD), tf.float32)
