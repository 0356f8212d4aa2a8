"""Scores of label words: nothing else is asked for, and nothing else can be answered.

Where every label word is a token, one decoder step and as many rows of the vocabulary's table as
there are words are enough. Labels of several tokens are scored in one decoder pass: they lie behind
one another as the targets of one row, each of which sees itself alone and the whole input, so that
keys and values of the input are computed once and not for every label. That is the rank
classification of T5's evaluation of tasks with options (Raffel et al. 2020; Sanh et al. 2022).

Shape letters: B batch, S source length, K label words, T tokens of all label words, D model width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, project_logits
from adapters_tf.model.forward import project_words
from prep.dataset.batches import EOS_ID, PAD_ID

NEVER = -1e9  # the score of a word that is none
LENGTH_STEP = 8  # rows of labels are filled up to a multiple, so that tasks share programs
POSITIONS_AT_ONCE = 8  # whose scores over the vocabulary are held


class LabelWordModel(tf_keras.Model):
    """Log-probabilities of label words that are one token each, among themselves.

    Args:
        model: The model to ask.
    """

    def __init__(self, model: TaskModel):
        super().__init__(name="label_word_model")
        self.model = model
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Score the label words of each row.

        Args:
            batch: `encoder_input_tokens` int32 [B, S]; `task` int32 [B], all equal unless the model
                routes by example; `label_tokens` int32 [B, K], 0 where there is none.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            float32 [B, K], in nats; very low where there is no word.
        """
        words_BK = batch["label_tokens"]
        start = self.model.backbone.config.decoder_start_token_id
        first_B1 = tf.ones_like(words_BK[:, :1]) * start
        asked = {key: batch[key] for key in ("encoder_input_tokens", "task")}
        asked["decoder_input_tokens"] = first_B1
        hidden_B1D = self.model(asked, training=False, scores=False)
        scores_BK = project_words(self.model.backbone, hidden_B1D, words_BK)[:, 0]
        return tf.nn.log_softmax(tf.where(words_BK == PAD_ID, NEVER, scores_BK))


class LabelTextModel(tf_keras.Model):
    """Log-probabilities of every token of label words, each token given those before it.

    Args:
        model: The model to ask.
    """

    def __init__(self, model: TaskModel):
        super().__init__(name="label_text_model")
        self.model = model
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Score the tokens of the label words of each row.

        Args:
            batch: `encoder_input_tokens` int32 [B, S]; `task` int32 [B], all equal unless the model
                routes by example; `label_tokens` and `label_numbers` int32 [B, T], as
                `LabelTexts` lays them out.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            float32 [B, T], in nats.
        """
        tokens_BT, numbers_BT = batch["label_tokens"], batch["label_numbers"]
        start = self.model.backbone.config.decoder_start_token_id
        is_first_BT = numbers_BT != tf.pad(numbers_BT[:, :-1], [[0, 0], [1, 0]])
        before_BT = tf.pad(tokens_BT[:, :-1], [[0, 0], [1, 0]], constant_values=start)
        asked = {key: batch[key] for key in ("encoder_input_tokens", "task")}
        asked["decoder_input_tokens"] = tf.where(is_first_BT, start, before_BT)
        if self.model.reads_several_targets():  # or it is one that the row holds
            asked["decoder_segment_ids"] = numbers_BT
        hidden_BTD = self.model(asked, training=False, scores=False)
        return score_tokens(self.model.backbone, hidden_BTD, tokens_BT)


def score_tokens(backbone: Any, hidden_BTD: tf.Tensor, tokens_BT: tf.Tensor) -> tf.Tensor:
    """Score given tokens, a few positions at a time.

    Args:
        backbone: A built TFT5.
        hidden_BTD: [B, T, D] decoder states, with T known when the program is made.
        tokens_BT: int32 [B, T].

    Returns:
        float32 [B, T], log-probabilities over the vocabulary, in nats.
    """
    parts = []
    for first in range(0, tokens_BT.shape[1], POSITIONS_AT_ONCE):
        some = slice(first, first + POSITIONS_AT_ONCE)
        logits_BTV = project_logits(backbone, hidden_BTD[:, some])
        own_BT1 = tf.gather(logits_BTV, tokens_BT[:, some, None], batch_dims=2)
        parts.append(own_BT1[..., 0] - tf.reduce_logsumexp(logits_BTV, -1))
    return tf.concat(parts, 1)


@dataclass(frozen=True)
class LabelTexts:
    """Label words of several tokens behind one another.

    Attributes:
        tokens: int32 [T], each word's with EOS at its end, then padding.
        numbers: int32 [T], which word a token is of, from 1; 0 where padded.
    """

    tokens: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, words: Sequence[Sequence[int]]) -> LabelTexts:
        """Lay out the token ids of words, without EOS, in a row whose length tasks may share."""
        tokens = [token for word in words for token in (*word, EOS_ID)]
        numbers = [number for number, word in enumerate(words, 1) for _ in (*word, EOS_ID)]
        padding = (0, -len(tokens) % LENGTH_STEP)
        return cls(*(np.pad(np.array(row, np.int32), padding) for row in (tokens, numbers)))

    def add_up(self, scores: np.ndarray, *, per_token: bool) -> np.ndarray:
        """Add the scores of tokens up to those of words.

        Args:
            scores: float32 [examples, T], of `LabelTextModel`.
            per_token: Whether to divide by the tokens of a word, EOS included.

        Returns:
            float32 [examples, K].
        """
        is_of = self.numbers[:, None] == np.arange(1, self.numbers.max() + 1)
        sums: np.ndarray = scores @ is_of.astype(np.float32)
        return sums / is_of.sum(0, dtype=np.float32) if per_token else sums


def share_out_scores(scores: np.ndarray) -> np.ndarray:
    """Turn scores of label words into log-probabilities, as if nothing else could be answered.

    Args:
        scores: Floats [examples, K], logits or log-likelihoods.

    Returns:
        [examples, K], in nats; the exponents of a row add up to 1.
    """
    above = scores - scores.max(-1, keepdims=True)
    found: np.ndarray = above - np.log(np.exp(above).sum(-1, keepdims=True))
    return found
