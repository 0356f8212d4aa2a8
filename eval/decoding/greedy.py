"""Greedy decoding: the most probable token at each step.

TFT5's `generate` does the same from outside the program; here nothing but the finished token ids
leaves the device.

Shape letters: B batch, b examples still in it, K samples (1), S source length, T target length,
V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from adapters_tf import TaskModel
from eval.decoding.loop import LoopModel
from eval.decoding.options import Limits


class GreedyModel(LoopModel):
    """The sequence that takes the most probable token at each step.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        limits: What tokens may not be.
        examples_leave: As `LoopModel` has it.
    """

    def __init__(
        self,
        model: TaskModel,
        *,
        length: int,
        limits: Limits | None = None,
        examples_leave: bool = False,
    ):
        super().__init__(
            f"greedy_model_{length}",
            model,
            length=length,
            limits=limits,
            examples_leave=examples_leave,
        )

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Decode every row until EOS or T tokens.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal unless the
                model routes by example.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            int32 [B, T], EOS included, the pad id after it.
        """
        return self.decode(batch, _choose_best).tokens[:, 0]

    def decode_and_score(self, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Decode, and add up the log-probabilities of what was decoded.

        Args:
            batch: As `call` takes it.

        Returns:
            int32 [B, T] tokens, and float32 [B], as the model has them without limits.
        """
        found = self.decode(batch, _choose_and_score)
        return found.tokens[:, 0], found.scores[:, 0]


def _choose_best(
    logits_bKV: tf.Tensor, allowed_bKV: tf.Tensor, step: tf.Tensor, own: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    # Of one sample: a TPU would copy scores that have an axis of one between rows and words.
    token_b1 = tf.argmax(allowed_bKV[:, 0], axis=-1, output_type=tf.int32)[:, None]
    return token_b1, tf.zeros_like(token_b1, tf.float32)


def _choose_and_score(
    logits_bKV: tf.Tensor, allowed_bKV: tf.Tensor, step: tf.Tensor, own: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    token_bK, _ = _choose_best(logits_bKV, allowed_bKV, step, own)
    return token_bK, log_probability(logits_bKV, token_bK)


def log_probability(logits_bKV: tf.Tensor, token_bK: tf.Tensor) -> tf.Tensor:
    """Take the log-probability of a token of each row; float32 [b, K]."""
    logit_bK = tf.gather(logits_bKV, token_bK, batch_dims=2)
    return logit_bK - tf.reduce_logsumexp(logits_bKV, axis=-1)
