"""Greedy decoding inside one compiled program, with a key-value cache of static size.

Each step runs one position through the decoder's own sublayers, adapters included, and stops as
soon as every row has ended. TFT5's `generate` does the same from outside the program; here
nothing but the finished token ids leaves the device.

Shape letters: B batch, S source length, T target length, D model width, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode, project_logits
from adapters_tf.backbone.generation import end_ids
from adapters_tf.model.decoder_step import decode_step, empty_caches, prepare_decoder
from adapters_tf.runtime.dropout import axis_sizes
from adapters_tf.runtime.step_cache import KeyValue
from prep.dataset.batches import PAD_ID


class GreedyModel(tf_keras.Model):
    """The sequence that takes the most probable token at each step.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
    """

    def __init__(self, model: TaskModel, *, length: int):
        super().__init__(name=f"greedy_model_{length}")
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
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
            states_BSD = encode(self.model.backbone, batch)
            return decode_greedily(
                self.model.backbone, states_BSD, batch["encoder_input_tokens"] != 0, self.length
            )


def decode_greedily(
    backbone: Any, states_BSD: tf.Tensor, is_input_BS: tf.Tensor, length: int
) -> tf.Tensor:
    """Run the decoder step by step from the start token.

    Args:
        backbone: A built TFT5, called where its adapters know the task.
        states_BSD: [B, S, D] encoder states.
        is_input_BS: bool [B, S], true on tokens, false on padding.
        length: T, the most tokens to decode, EOS included.

    Returns:
        int32 [B, T].
    """
    config = backbone.config
    ends = tf.constant(end_ids(config), tf.int32)
    context = prepare_decoder(backbone, states_BSD, is_input_BS, length)
    B = axis_sizes(is_input_BS)[0]

    def is_unfinished(
        step: tf.Tensor,
        token_B: tf.Tensor,
        has_ended_B: tf.Tensor,
        output_BT: tf.Tensor,
        caches: list[KeyValue],
    ) -> tf.Tensor:
        return tf.logical_and(step < length, tf.logical_not(tf.reduce_all(has_ended_B)))

    def decode_one(
        step: tf.Tensor,
        token_B: tf.Tensor,
        has_ended_B: tf.Tensor,
        output_BT: tf.Tensor,
        caches: list[KeyValue],
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, list[KeyValue]]:
        hidden_B1D, caches = decode_step(backbone, context, step, token_B[:, None], caches)
        logits_BV = project_logits(backbone, hidden_B1D)[:, 0]
        best_B = tf.argmax(logits_BV, axis=-1, output_type=tf.int32)
        token_B = tf.where(has_ended_B, PAD_ID, best_B)
        output_BT = tf.where(tf.range(length) == step, token_B[:, None], output_BT)
        has_ended_B |= tf.reduce_any(token_B[:, None] == ends, axis=1)
        return step + 1, token_B, has_ended_B, output_BT, caches

    start = (
        tf.constant(0),
        tf.fill([B], config.decoder_start_token_id),
        # A row of padding has no answer, and must not keep the loop going.
        tf.logical_not(tf.reduce_any(is_input_BS, axis=1)),
        tf.fill([B, length], PAD_ID),
        empty_caches(backbone, B, length),
    )
    return tf.while_loop(is_unfinished, decode_one, start)[3]
