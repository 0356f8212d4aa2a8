"""The loss of text beside TensorFlow's own, and its gradients beside the tape's."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.model.forward import WordTable
from adapters_tf.runtime.target import compiling_for_tpu
from trainer.losses.tokens import TokenLoss, cross_entropy, sum_token_losses
from trainer.steps.step import sum_losses

B, T, D, V = 2, 5, 4, 11


@pytest.mark.parametrize("device", ["cpu", "gpu", "tpu"])
def test_losses_and_slopes_are_tensorflows(device, monkeypatch):
    logits = 5 * tf.random.stateless_normal([2, 3, 11], [0, 1])
    logits = tf.concat([logits[..., :-1], logits[..., -1:] + 300.0], -1)  # no overflow
    targets = tf.constant([[1, 10, 0], [4, 4, 9]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        expected = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    right = tape.gradient(expected, logits)
    if device == "gpu":
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    with compiling_for_tpu() if device == "tpu" else nullcontext():
        losses, slopes = cross_entropy(logits, targets)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [(0.1, 0.0), (0.0, 0.01), (0.2, 0.5)])
def test_smoothing_and_z_loss_are_their_definition(settings):
    """In float64, with the tape's gradients."""
    s, z = settings
    logits = 3 * tf.random.stateless_normal([2, 3, 11], [0, 1])
    targets = tf.constant([[1, 10, 0], [4, 4, 9]])
    wide = tf.cast(logits, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(wide)
        wanted = (1 - s) * tf.one_hot(targets, 11, dtype=tf.float64) + s / 11
        expected = -tf.reduce_sum(wanted * tf.nn.log_softmax(wide), -1)
        expected += z * tf.square(tf.reduce_logsumexp(wide, -1))
    right = tape.gradient(expected, wide)
    losses, slopes = cross_entropy(logits, targets, TokenLoss(s, z))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(slopes, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("for_tpu", [False, True])
@pytest.mark.parametrize("chunk", [0, 1, 2, 5, 8])
@pytest.mark.parametrize("has_row_per_word", [True, False])
def test_sums_and_gradients_are_those_of_the_tape(has_row_per_word, chunk, for_tpu):
    states = tf.random.stateless_normal([B, T, D], [0, 1])
    values = tf.random.stateless_normal([V, D] if has_row_per_word else [D, V], [0, 2])
    targets = tf.constant([[1, 10, 0, 3, 3], [4, 4, 9, 0, 0]])
    weights = tf.constant([[1.0, 0.5, 2.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0, 0.0]])

    with tf.GradientTape() as tape:
        tape.watch([states, values])
        words = values if has_row_per_word else tf.transpose(values)
        scores = tf.einsum("btd,vd->btv", states, words)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, scores) * weights
        objective = 0.3 * tf.reduce_sum(losses)
    right = [losses, *tape.gradient(objective, (states, values))]

    def compute():
        with tf.GradientTape() as tape:
            tape.watch([states, values])
            table = WordTable(values, has_row_per_word)
            total, losses = sum_token_losses(
                states, table, targets, weights, TokenLoss(chunk=chunk)
            )
            objective = 0.3 * total
        np.testing.assert_allclose(total, tf.reduce_sum(losses), rtol=1e-6)
        return [losses, *tape.gradient(objective, (states, values))]

    with compiling_for_tpu() if for_tpu else nullcontext():
        found = compute()
    for value, expected in zip(found, right, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_in_chunks_the_scores_of_all_positions_exist_nowhere(make_model, uneven_batch):
    model = make_model(adapters=True)
    batch = {key: tf.constant(value) for key, value in uneven_batch().items()}
    rows, targets = batch["decoder_target_tokens"].shape
    words = model.backbone.config.vocab_size

    def most_positions(chunk):
        """Of any tensor that has a number for every word."""

        @tf.function(autograph=False)
        def compute():
            with tf.GradientTape() as tape:
                total, _ = sum_losses(model, batch, training=True, loss=TokenLoss(chunk=chunk))
            return tape.gradient(total, model.trainable_variables)

        shapes = [
            output.shape.as_list()
            for operation in compute.get_concrete_function().graph.get_operations()
            for output in operation.outputs
            if output.shape.rank
        ]
        return max(np.prod(shape[:-1]) for shape in shapes if shape[-1] == words)

    assert most_positions(0) == rows * targets and targets > 4
    assert most_positions(4) == rows * 4
