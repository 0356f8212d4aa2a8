"""The loss of text beside TensorFlow's own, and its gradients beside the tape's."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.model.forward import WordTable
from adapters_tf.runtime.products import score_words
from adapters_tf.runtime.target import compiling_for_tpu
from trainer.losses import tokens
from trainer.losses.tokens import TokenLoss, cross_entropy, sum_token_losses
from trainer.steps.step import sum_losses

B, T, D, V = 2, 5, 4, 11


@pytest.mark.parametrize("device", ["cpu", "xla", "gpu", "tpu"])
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
        losses, slopes = cross_entropy(logits, targets, TokenLoss(is_compiled=device == "xla"))
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("settings", [(0.1, 0.0), (0.0, 0.01), (0.2, 0.5)])
def test_smoothing_and_z_loss_are_their_definition(settings, is_compiled):
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
    losses, slopes = cross_entropy(logits, targets, TokenLoss(s, z, is_compiled=is_compiled))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(slopes, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_score_that_is_not_finite_is_no_finite_loss(is_compiled, special):
    logits = np.zeros([1, 3, 11], np.float32)
    logits[0, 1, 7] = special
    losses, _ = cross_entropy(
        tf.constant(logits), tf.constant([[1, 2, 3]]), TokenLoss(is_compiled=is_compiled)
    )
    assert np.isfinite(losses).tolist() == [[True, False, True]]


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize(("is_compiled", "expected"), [(False, 6), (True, 10)])
def test_positions_without_weight_are_not_scored_on_a_cpu(
    monkeypatch, chunk, is_compiled, expected
):
    scored = []

    def score(states, values, *, has_row_per_word):
        scored.append(int(tf.size(states)) // D)
        return score_words(states, values, has_row_per_word=has_row_per_word)

    monkeypatch.setattr(tokens, "score_words", score)
    table = WordTable(tf.random.stateless_normal([V, D], [0, 2]), has_row_per_word=True)
    states = tf.random.stateless_normal([B, T, D], [0, 1])
    weights = tf.constant([[1.0, 0.5, 2.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0, 0.0]])
    kind = TokenLoss(chunk=chunk, is_compiled=is_compiled)
    targets = tf.constant([[1, 10, 0, 3, 3], [4, 4, 9, 0, 0]])
    _, losses = sum_token_losses(states, table, targets, weights, kind)
    assert sum(scored) == expected
    assert max(scored) <= B * (chunk or T)
    np.testing.assert_array_equal(losses.numpy() != 0, weights != 0)
    scored.clear()
    total, _ = sum_token_losses(states, table, targets, tf.zeros([B, T]), kind)
    assert float(total) == 0 and sum(scored) == (B * T if is_compiled and not chunk else 0)


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
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


def _operations(graph):
    """Those of a graph, and of what its conditions choose from."""
    for operation in graph.get_operations():
        yield operation
        if operation.type in ("If", "StatelessIf"):
            for branch in ("then_branch", "else_branch"):
                yield from _operations(graph._get_function(operation.get_attr(branch).name).graph)


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
                kind = TokenLoss(chunk=chunk, is_compiled=True)
                total, _ = sum_losses(model, batch, training=True, loss=kind)
            return tape.gradient(total, model.trainable_variables)

        shapes = [
            output.shape.as_list()
            for operation in _operations(compute.get_concrete_function().graph)
            for output in operation.outputs
            if output.shape.rank
        ]
        return max(np.prod(shape[:-1]) for shape in shapes if shape[-1] == words)

    assert most_positions(0) == rows * targets and targets > 4
    assert most_positions(4) == rows * 4
