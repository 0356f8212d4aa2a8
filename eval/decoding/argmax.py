"""The argmax wrapper: a Keras model whose only output is token ids.

Scores over the vocabulary are V floats per position; taking the argmax inside the compiled
program leaves one integer per position to bring back from the device.

Shapes: B batch, T target length, V vocabulary.
"""

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel


class ArgmaxModel(tf_keras.Model):
    """The most probable token of one decoder step, or of every step given the targets before it.

    For labels of a single token one step from the start token is the whole answer.

    Args:
        model: the model to ask.
        is_teacher_forced: whether to score every position of `decoder_input_tokens` instead of
            the start token alone.
    """

    def __init__(self, model: TaskModel, *, is_teacher_forced: bool = False):
        super().__init__(name="argmax_model")
        self.model = model
        self.is_teacher_forced = is_teacher_forced
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Picks the token with the highest logit.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `task` int32 [B], all equal, and when
                teacher-forced `decoder_input_tokens` int32 [B, T].
            training: ignored; there is no dropout in evaluation.

        Returns:
            int32 [B, 1], or [B, T] when teacher-forced.
        """
        if not self.is_teacher_forced:
            start = self.model.backbone.config.decoder_start_token_id
            first_B1 = tf.ones_like(batch["encoder_input_tokens"][:, :1]) * start
            batch = {**batch, "decoder_input_tokens": first_B1}
        logits_BTV = self.model(batch, training=False)
        return tf.argmax(logits_BTV, axis=-1, output_type=tf.int32)
