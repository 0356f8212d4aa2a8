"""Taskwise optimizers: the published arithmetic, and rows of other tasks left alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from trainer.optimizers.learning_rate import SCHEDULES, WarmupSchedule
from trainer.optimizers.registry import OPTIMIZERS

# By `benchmarks/torch_optimizers.py`, torch 2.13.0 and transformers 4.57.6.
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def run_steps(name, gradients, value, is_bank=False, rows=None, **settings):
    """Apply gradients one after another; return the variable's values after each."""
    variable = tf.Variable(value)
    optimizer = OPTIMIZERS[name](0.1, lambda v: is_bank, **settings)
    optimizer.build([variable])
    values = []
    for step, gradient in enumerate(gradients):
        if is_bank:
            row = rows[step]
            gradient = tf.IndexedSlices(tf.constant(gradient)[None], tf.constant([row]))
        assert optimizer.take_step([(gradient, variable)])
        values.append(variable.numpy())
    return values, optimizer


def test_adamw_equals_keras():
    random = np.random.default_rng(0)
    gradients = random.normal(size=(5, 3, 4)).astype(np.float32)
    value = random.normal(size=(3, 4)).astype(np.float32)
    ours, _ = run_steps("adamw", gradients, value)
    reference = tf.Variable(value)
    keras = tf_keras.optimizers.Adam(0.1, epsilon=1e-8, jit_compile=False)
    for gradient, mine in zip(gradients, ours, strict=True):
        keras.apply_gradients([(tf.constant(gradient), reference)])
        np.testing.assert_allclose(mine, reference.numpy(), rtol=1e-5, atol=1e-6)


def test_decay_is_decoupled_and_spares_vectors():
    matrix, _ = run_steps(
        "adamw", np.zeros((1, 2, 2), np.float32), np.ones((2, 2), "f"), weight_decay=0.5
    )
    vector, _ = run_steps("adamw", np.zeros((1, 2), np.float32), np.ones(2, "f"), weight_decay=0.5)
    np.testing.assert_allclose(matrix[0], np.full((2, 2), 1 - 0.1 * 0.5), rtol=1e-6)
    np.testing.assert_array_equal(vector[0], np.ones(2))
    bank, _ = run_steps(
        "adamw", np.zeros((1, 2), np.float32), np.ones((3, 2), "f"), True, [1], weight_decay=0.5
    )
    np.testing.assert_array_equal(bank[0], np.ones((3, 2)))


def adafactor_by_hand(gradients, value, rate=0.1):
    """Algorithm 5 of arXiv 1804.04235 for one matrix, written as it stands there."""
    row, column = np.zeros(value.shape[0]), np.zeros(value.shape[1])
    for step, gradient in enumerate(gradients.astype(np.float64), 1):
        beta = 1 - step**-0.8
        square = gradient**2 + 1e-30
        row = beta * row + (1 - beta) * square.sum(1)
        column = beta * column + (1 - beta) * square.sum(0)
        estimate = np.outer(row, column) / row.sum()
        update = gradient / np.sqrt(estimate)
        update /= max(1.0, np.sqrt((update**2).mean()))
        value = value - max(1e-3, np.sqrt((value**2).mean())) * rate * update
    return value


def test_adafactor_equals_the_paper():
    random = np.random.default_rng(1)
    gradients = random.normal(size=(4, 3, 5)).astype(np.float32)
    value = random.normal(size=(3, 5)).astype(np.float32)
    ours, _ = run_steps("adafactor", gradients, value)
    expected = adafactor_by_hand(gradients, value.astype(np.float64))
    np.testing.assert_allclose(ours[-1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("shape", [(4, 3), (4,)])
def test_a_bank_row_steps_as_if_it_were_alone(name, shape):
    random = np.random.default_rng(2)
    gradients = random.normal(size=(9, *shape)).astype(np.float32)
    value = random.normal(size=(3, *shape)).astype(np.float32)
    rows = [0, 2, 0, 0, 2, 0, 2, 2, 0]
    # A weight is decayed where a row is a matrix, alone or in a bank.
    banked, optimizer = run_steps(name, gradients, value, True, rows, weight_decay=0.1)
    for row in (0, 2):
        own = [gradient for gradient, r in zip(gradients, rows, strict=True) if r == row]
        alone, _ = run_steps(name, own, value[row], weight_decay=0.1)
        np.testing.assert_allclose(banked[-1][row], alone[-1], rtol=1e-5, atol=1e-7)
    before = value
    for after, row in zip(banked, rows, strict=True):
        others = [r for r in range(3) if r != row]
        np.testing.assert_array_equal(after[others], before[others])
        before = after
    for slot in optimizer._slots[0].values():
        assert not np.any(slot[1])
    np.testing.assert_array_equal(optimizer._slots[0]["steps"], [5, 0, 4])


def test_clipping_is_by_the_global_norm():
    matrix, vector = tf.Variable(tf.zeros([2, 2])), tf.Variable(tf.zeros([3, 2]))
    optimizer = OPTIMIZERS["adamw"](0.1, lambda v: v is vector, clip_norm=1.0)
    slices = tf.IndexedSlices(tf.fill([1, 2], 3.0), tf.constant([1]), tf.constant([3, 2]))
    optimizer.take_step([(tf.fill([2, 2], 4.0), matrix), (slices, vector)])
    norm = np.sqrt(4 * 16 + 2 * 9)
    seen = [slots["mean"] / (1 - optimizer.beta_1) for slots in optimizer._slots]
    np.testing.assert_allclose(seen[0], np.full((2, 2), 4 / norm), rtol=1e-6)
    np.testing.assert_allclose(seen[1][1], np.full(2, 3 / norm), rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.5, 0.125]),
        ("cosine", [0.5, 1.0, 1.0, 0.5, 0.5 * (1 + np.cos(np.pi * 7 / 8))]),
        ("inverse_square_root", [0.5, 1.0, (2 / 3) ** 0.5, (2 / 7) ** 0.5, (2 / 10) ** 0.5]),
    ],
)
def test_learning_rates_by_hand(schedule, expected):
    rate = WarmupSchedule(2.0, warmup_steps=2, ends=[10], schedule=schedule)
    rates = [float(rate(tf.constant(step))) for step in (0, 1, 2, 6, 9)]
    # A hair of the peak: float32 loses digits where the cosine nears -1.
    np.testing.assert_allclose(rates, [2.0 * share for share in expected], atol=1e-6)


def test_all_schedules_are_compared():
    assert set(GOLDEN["schedules"]) == set(SCHEDULES)


@pytest.mark.parametrize("schedule", GOLDEN["schedules"])
def test_rates_are_those_of_hugging_face_in_pytorch(schedule):
    """At every step, the one after the last too; only, no first step of the warm-up is wasted."""
    others = {"end": 0.25, "power": 3.0} if schedule == "polynomial" else {"cycles": 2}
    rate = WarmupSchedule(2.0, GOLDEN["warmup"], [GOLDEN["total"]], schedule, **others)
    steps = np.arange(GOLDEN["total"])
    # T5's schedule goes on with the count of its warm-up, which is one ahead.
    is_ahead = (steps < GOLDEN["warmup"]) | (schedule == "inverse_square_root")
    theirs = np.array(GOLDEN["schedules"][schedule])[steps + is_ahead]
    rates = [float(rate(tf.constant(step))) for step in steps]
    np.testing.assert_allclose(rates, theirs, rtol=1e-6, atol=1e-6)
    if schedule != "inverse_square_root":
        after = float(rate(tf.constant(GOLDEN["total"])))
        np.testing.assert_allclose(after, GOLDEN["schedules"][schedule][-1], atol=1e-6)


@pytest.mark.parametrize("name", GOLDEN["optimizers"])
@pytest.mark.parametrize("case", [0, 1])
def test_steps_are_pytorchs(name, case):
    """Of a matrix and a vector; AdamW's weight decay is the matrix's alone."""
    golden = GOLDEN["optimizers"][name][case]
    decay = {"weight_decay": 0.1} if name == "adamw" else {}
    gradients = np.array(golden["gradients"], np.float32)
    values, _ = run_steps(name, gradients, np.array(golden["start"], np.float32), **decay)
    np.testing.assert_allclose(values, golden["values"], rtol=1e-6, atol=1e-6)


def test_lion_moves_by_signs():
    values, optimizer = run_steps(
        "lion", np.array([[1.0, -2.0], [-0.5, -2.0]], "f"), np.zeros(2, "f")
    )
    np.testing.assert_allclose(values[0], [-0.1, 0.1])
    # 0.9 × 0.01 - 0.1 × 0.5 < 0: the first one turns, for its momentum is still small.
    np.testing.assert_allclose(values[1], [0.0, 0.2], atol=1e-7)
    np.testing.assert_allclose(optimizer._slots[0]["mean"], [0.0099 - 0.005, -0.0398], rtol=1e-5)


def test_groups_learn_at_rates_of_their_own():
    slow, fast = tf.Variable([0.0]), tf.Variable([0.0])
    optimizer = OPTIMIZERS["lion"](
        0.1, lambda v: False, rate_of=lambda v: 2.0 if v is fast else 0.5
    )
    optimizer.build([slow, fast])
    optimizer.take_step([(tf.constant([1.0]), slow), (tf.constant([1.0]), fast)])
    np.testing.assert_allclose([slow[0], fast[0]], [-0.05, -0.2])


def test_no_warmup_starts_at_the_peak():
    assert float(WarmupSchedule(2.0, 0, [10], "linear")(tf.constant(0))) == 2.0
    assert float(WarmupSchedule(2.0, 0, [10], "inverse_square_root")(tf.constant(3))) == 1.0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "polynomial"])
def test_a_schedule_begins_anew_where_it_is_laid_out_again(schedule):
    """From step 6 on it is that of a run of four steps; after its end the rate stays there."""
    others = {"end": 0.5, "power": 2.0}
    both = WarmupSchedule(2.0, 2, [6, 10], schedule, **others)
    first, second = (WarmupSchedule(2.0, 2, [end], schedule, **others) for end in (6, 4))
    for step in range(12):
        alone = first(tf.constant(step)) if step < 6 else second(tf.constant(step - 6))
        assert float(both(tf.constant(step))) == float(alone)
    assert float(both(tf.constant(11))) == 0.5
