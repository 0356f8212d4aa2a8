"""The loss of text beside TensorFlow's own."""

import numpy as np
import tensorflow as tf

from adapters_tf.runtime.target import compiling_for_tpu
from trainer.losses.tokens import cross_entropy, token_loss


def test_written_out_for_a_tpu_it_is_tensorflows():
    logits = 5 * tf.random.stateless_normal([2, 3, 11], [0, 1])
    logits = tf.concat([logits[..., :-1], logits[..., -1:] + 300.0], -1)  # no overflow
    targets = tf.constant([[1, 10, 0], [4, 4, 9]])

    def value_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = cross_entropy(logits, targets)
            total = tf.reduce_sum(losses * [[1.0, 2.0, 0.0], [0.5, 1.0, 1.0]])
        return losses, tape.gradient(total, logits)

    expected = value_and_gradient()
    with compiling_for_tpu():
        got = value_and_gradient()
    for value, right in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)


def test_weights_choose_the_tokens():
    logits = tf.random.stateless_normal([1, 3, 5], [0, 1])
    loss, tokens = token_loss(logits, tf.constant([[1, 2, 0]]), tf.constant([[1.0, 1.0, 0.0]]))
    expected = -tf.nn.log_softmax(logits).numpy()[0, [0, 1], [1, 2]].sum()
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)
    np.testing.assert_array_equal(tokens, [2.0])
