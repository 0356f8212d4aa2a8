"""A step whose loss or gradient is not finite changes nothing, on any replica, and is counted."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import set_precision
from eval.decoding.replicas import share_out
from trainer.steps.fit_model import FitModel
from trainer.steps.skipped_steps import SkippedSteps, find_tasks

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("loss", "tokens", "found"),
    [
        ([2.0, NAN, 0.0], [1.0, 1.0, 0.0], [False, True, False]),
        ([2.0, INF, 0.0], [1.0, 1.0, 0.0], [False, True, False]),
        ([2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [True, True, False]),  # it was a gradient
    ],
)
def test_the_tasks_of_a_skipped_step_are_those_whose_loss_is_odd_or_all(loss, tokens, found):
    assert find_tasks(tf.constant(loss), tf.constant(tokens)).numpy().tolist() == found


def count(skipped, *steps):
    for task, is_taken in steps:
        tokens = tf.one_hot(task, 2)
        loss = tf.where(tokens > 0, 1.0 if is_taken else NAN, 0.0)
        skipped.update(loss, tokens, tf.constant(is_taken))


def test_a_row_goes_on_over_readings_and_ends_with_a_step_that_is_taken():
    skipped = SkippedSteps(2, most=3)
    count(skipped, (0, False), (1, False))
    assert skipped.read().tolist() == [1, 1] and skipped.read_row() is None
    count(skipped, (1, True), (1, False), (1, False))
    assert skipped.read().tolist() == [0, 2] and skipped.read_row() is None
    count(skipped, (1, False))
    row = skipped.read_row()
    assert row.steps == 3 and row.by_task.tolist() == [0, 3]


def test_too_many_in_a_row_are_remembered_though_later_steps_are_taken():
    skipped = SkippedSteps(2, most=2)
    count(skipped, (0, True), (1, False), (1, False), (0, False), (1, True), (0, False))
    row = skipped.read_row()
    assert row.steps == 5 and row.by_task.tolist() == [0, 2]
    assert skipped.read().tolist() == [2, 2]


def test_no_count_is_an_int32_variable_which_a_step_compiled_for_a_gpu_cannot_read():
    counts = SkippedSteps(2, most=2).variables  # int32 ones are in the host's memory
    assert len(counts) == 3 and {count.dtype for count in counts} == {tf.int64}


def bits(strategy, model, optimizer):
    """Every weight, slot and step count, on every replica."""
    held = [
        *model.trainable_variables,
        *(slot for slots in optimizer._slots for slot in slots.values()),
    ]
    return [
        [copy.numpy().tobytes() for copy in strategy.experimental_local_results(variable)]
        for variable in held
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("replicas", "precision"), [(1, "mixed_bfloat16"), (2, "float32")])
def test_a_skipped_step_leaves_every_bit_and_other_tasks_go_on(
    replicas, precision, make_model, make_optimizer, uneven_batch, two_replicas
):
    strategy = two_replicas if replicas == 2 else tf.distribute.get_strategy()
    set_precision(precision)
    try:
        with strategy.scope():
            model = make_model()
            optimizer = make_optimizer(model, weight_decay=0.1)
            fit_model = FitModel(model)
            fit_model.compile(optimizer)

        @tf.function(autograph=False)
        def step(batch):
            return strategy.run(fit_model.train_step, (batch,))

        def run(task, batch=None):
            before = bits(strategy, model, optimizer)
            step(share_out(strategy, batch or uneven_batch(task=task)))
            after = bits(strategy, model, optimizer)
            assert all(copy == copies[0] or replicas == 1 for copies in after for copy in copies)
            return before == after

        assert not run(0)
        # The weights of one task overflowed.
        path = next(name for name in model.trainable_by_path() if name.endswith("up_kernel"))
        bank = model.trainable_by_path()[path]
        value = bank.numpy()
        value[1] = INF
        bank.assign(value)
        assert run(1) and run(1)
        # One example is odd, on one replica.
        odd = uneven_batch(task=2)
        odd["decoder_loss_weights"][0, 0] = INF
        assert run(2, odd)
        assert not run(0) and not run(2)
    finally:
        set_precision("float32")
    assert int(optimizer.iterations.numpy()) == 6
    assert fit_model.skipped_steps.read().tolist() == [0, 2, 1]
    losses, tokens = fit_model.task_losses.read()
    count = uneven_batch()["decoder_loss_weights"].sum()
    np.testing.assert_array_equal(tokens, [2 * count, 0, count])
    assert np.isfinite(losses).all() and losses[1] == 0
    for variable in model.trainable_variables:
        if variable is not bank:
            assert np.isfinite(variable.numpy()).all()


@pytest.mark.slow
def test_of_a_mixed_batch_the_task_is_told_and_no_row_moves(
    make_optimizer, uneven_batch, make_model
):
    model = make_model(routing="example")
    optimizer = make_optimizer(model)
    fit_model = FitModel(model)
    fit_model.compile(optimizer)
    batch = uneven_batch()
    batch["task"] = np.array([0, 0, 0, 1, 1, 2, 2, 2], np.int32)
    strategy = tf.distribute.get_strategy()
    step = tf.function(fit_model.train_step, autograph=False)
    before = bits(strategy, model, optimizer)
    step(batch)
    taken = bits(strategy, model, optimizer)
    assert taken != before
    odd = {**batch, "decoder_loss_weights": batch["decoder_loss_weights"].copy()}
    odd["decoder_loss_weights"][4, 0] = NAN
    step(odd)
    assert bits(strategy, model, optimizer) == taken
    assert fit_model.skipped_steps.read().tolist() == [0, 1, 0]
