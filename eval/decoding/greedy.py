"""Greedy decoding: the most probable token at each step.

TFT5's `generate` does the same from outside the program; here nothing but the finished token ids
leaves the device.

Shape letters: B batch, S source length, T target length, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode
from eval.decoding.loop import decode_tokens
from eval.decoding.options import Limits


class GreedyModel(tf_keras.Model):
    """The sequence that takes the most probable token at each step.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        limits: What tokens may not be.
        examples_leave: As `decode_tokens` has it.
    """

    def __init__(
        self,
        model: TaskModel,
        *,
        length: int,
        limits: Limits | None = None,
        examples_leave: bool = False,
    ):
        super().__init__(name=f"greedy_model_{length}")
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
        self.limits = limits or Limits()
        self.examples_leave = examples_leave and not model.is_routed_by_example
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Decode every row until EOS or T tokens.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal unless the
                model routes by example.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            int32 [B, T], EOS included, the pad id after it.
        """
        with self.model.route(batch):
            return decode_greedily(
                self.model.backbone,
                encode(self.model.backbone, batch),
                batch["encoder_input_tokens"] != 0,
                self.length,
                limits=self.limits,
                examples_leave=self.examples_leave,
            )


def decode_greedily(
    backbone: Any,
    states_BSD: tf.Tensor,
    is_input_BS: tf.Tensor,
    length: int,
    *,
    limits: Limits | None = None,
    examples_leave: bool = False,
) -> tf.Tensor:
    """Run the decoder step by step from the start token.

    Args:
        backbone: A built TFT5, called where its adapters know the task.
        states_BSD: [B, S, D] encoder states.
        is_input_BS: bool [B, S], true on tokens, false on padding.
        length: T, the most tokens to decode, EOS included.
        limits: What tokens may not be.
        examples_leave: As `decode_tokens` has it.

    Returns:
        int32 [B, T].
    """
    found = decode_tokens(
        backbone,
        states_BSD,
        is_input_BS,
        length,
        _choose_best,
        limits=limits,
        examples_leave=examples_leave,
    )
    return found.tokens[:, 0]


def _choose_best(
    logits_bKV: tf.Tensor, allowed_bKV: tf.Tensor, step: tf.Tensor, own: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    token_bK = tf.argmax(allowed_bKV, axis=-1, output_type=tf.int32)
    return token_bK, tf.zeros_like(token_bK, tf.float32)
