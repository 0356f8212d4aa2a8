"""The train step of a whole model; `test_methods.py` has that of adapters."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import set_precision
from eval.decoding.replicas import share_out
from trainer.steps.step import sum_losses, train_step, validation_step

pytestmark = pytest.mark.slow


def test_the_loss_is_summed_over_weighted_tokens(make_model, uneven_batch):
    model, batch = make_model(), uneven_batch()
    batch["decoder_loss_weights"][0] = [0.5, 0.0, *batch["decoder_loss_weights"][0, 2:]]
    total, loss = sum_losses(model, batch, training=False)
    chances = tf.nn.log_softmax(model(batch)).numpy()
    chosen = np.take_along_axis(chances, batch["decoder_target_tokens"][..., None], -1)[..., 0]
    expected = -(chosen * batch["decoder_loss_weights"]).sum(1)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)
    assert validation_step(model, batch)[1] == batch["decoder_loss_weights"].sum()


def test_padding_changes_nothing(make_model, uneven_batch):
    model, batch = make_model(), uneven_batch()
    loss, tokens = validation_step(model, batch)
    longer = {
        key: np.pad(value, [(0, 0), (0, 3)]) if value.ndim == 2 else value
        for key, value in batch.items()
    }
    loss_longer, tokens_longer = validation_step(model, longer)
    assert float(tokens) == float(tokens_longer) == batch["decoder_loss_weights"].sum()
    np.testing.assert_allclose(loss, loss_longer, rtol=1e-5)


def test_four_replicas_equal_one(make_model, make_optimizer, uneven_batch, four_replicas):
    losses = {}
    weights = {}
    for strategy in (tf.distribute.get_strategy(), four_replicas):
        with strategy.scope():
            model = make_model(adapters=False)
            optimizer = make_optimizer(model, "adafactor")

        @tf.function(autograph=False)
        def step(batch, strategy=strategy, model=model, optimizer=optimizer):
            return strategy.run(train_step, args=(model, optimizer, batch))

        history = []
        for number in range(4):
            batch = share_out(strategy, uneven_batch(task=number % 3, seed=number))
            loss, tokens, _ = step(batch)
            history.append(
                [np.sum(strategy.experimental_local_results(x)[0]) for x in (loss, tokens)]
            )
        losses[strategy.num_replicas_in_sync] = np.array(history)
        weights[strategy.num_replicas_in_sync] = {
            path: variable.numpy() for path, variable in model.trainable_by_path().items()
        }
    np.testing.assert_allclose(losses[4][:, 0], losses[1][:, 0], rtol=1e-5)
    np.testing.assert_array_equal(losses[4][:, 1], losses[1][:, 1])
    for path, value in weights[1].items():
        # Adam's first steps turn rounding in tiny gradients into a share of the rate, 1e-2.
        np.testing.assert_allclose(weights[4][path], value, atol=1e-4, err_msg=path)


def test_compiles_with_xla_and_gives_the_same(make_model, make_optimizer, uneven_batch):
    results = []
    for jit_compile in (False, True):
        model = make_model(adapters=False)
        optimizer = make_optimizer(model, is_compiled=jit_compile)

        @tf.function(autograph=False, jit_compile=jit_compile)
        def step(batch, model=model, optimizer=optimizer):
            return train_step(model, optimizer, batch)

        losses = [np.sum(step(uneven_batch(task=n % 3, seed=n))[0]) for n in range(3)]
        results.append((losses, [v.numpy() for v in model.trainable_variables]))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-5)
    for compiled, plain in zip(results[1][1], results[0][1], strict=True):
        np.testing.assert_allclose(compiled, plain, atol=1e-4)


def test_runs_in_bfloat16_and_learns(make_model, make_optimizer, uneven_batch):
    set_precision("mixed_bfloat16")
    try:
        model = make_model()
        optimizer = make_optimizer(model)
        step = tf.function(lambda batch: train_step(model, optimizer, batch), autograph=False)
        losses = [np.sum(step(uneven_batch(seed=0))[0]) for _ in range(20)]
    finally:
        set_precision("float32")
    assert {variable.dtype for variable in model.trainable_variables} == {tf.float32}
    assert losses[-1] < 0.8 * losses[0]


def test_only_rows_travel_between_replicas(make_model, make_optimizer, uneven_batch, monkeypatch):
    """Of each bank one row is summed over replicas, however many tasks there are."""
    sizes = []
    context = type(tf.distribute.get_replica_context())
    original = context.all_reduce

    def record(self, operation, value, *arguments, **keywords):
        sizes.extend(int(tf.size(part)) for part in tf.nest.flatten(value))
        return original(self, operation, value, *arguments, **keywords)

    model = make_model()
    monkeypatch.setattr(context, "all_reduce", record)
    train_step(model, make_optimizer(model), uneven_batch())
    per_task = sum(
        int(tf.size(v)) // (3 if model.is_bank(v) else 1) for v in model.trainable_variables
    )
    assert sum(sizes) == per_task + 2 * 3  # and the tokens and losses of three tasks
