"""The argmax wrapper: a Keras model whose only output is token ids.

Scores over the vocabulary are V floats per position; taking the argmax inside the compiled
program leaves one integer per position to bring back from the device.

Shape letters: B batch, S source length, V vocabulary.
"""

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel


class ArgmaxModel(tf_keras.Model):
    """The most probable token of the first decoder step.

    For labels of a single token that is the whole answer.

    Args:
        model: The model to ask.
    """

    def __init__(self, model: TaskModel):
        super().__init__(name="argmax_model")
        self.model = model
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Pick the token with the highest logit.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal unless the
                model routes by example.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            int32 [B, 1].
        """
        return tf.argmax(self._score(batch), axis=-1, output_type=tf.int32)

    def decode_and_score(self, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Pick the token with the highest logit, and tell its log-probability.

        Args:
            batch: As `call` takes it.

        Returns:
            int32 [B, 1] tokens, and float32 [B].
        """
        logits_B1V = self._score(batch)
        token_B1 = tf.argmax(logits_B1V, axis=-1, output_type=tf.int32)
        return token_B1, tf.reduce_max(tf.nn.log_softmax(logits_B1V), [1, 2])

    def _score(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        start = self.model.backbone.config.decoder_start_token_id
        # One position, whatever is known of the inputs' length: a single query needs no keys.
        rows = tf.shape(batch["encoder_input_tokens"])[0]
        first_B1 = tf.fill(tf.stack([rows, 1]), start)
        return self.model({**batch, "decoder_input_tokens": first_B1}, training=False)
