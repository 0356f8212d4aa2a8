"""T5's layer norms, their scales and shifts made from the task's embedding."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    ConditionalLayerNormConfig,
    ConfigurationError,
    HypernetworkConfig,
    TaskModel,
    inject_method,
    route,
    set_precision,
)
from adapters_tf.methods.conditional_layer_norm import TASKS_PATH, ConditionalNorm
from adapters_tf.methods.generators import TaskEmbeddings
from trainer.optimizers.registry import OPTIMIZERS
from trainer.steps.step import train_step

TASKS = ("first", "second", "third")
D, E = 6, 4
EPSILON = 1e-6
MIXED = np.array([2, 0, 1, 2], np.int32)
NORM = "decoder.block.1.layer.2.layer_norm"


@pytest.fixture
def make_norm():
    """A norm and its tasks' embeddings; shaken if it shall not be at its start."""

    def make(shift=True, shake=True):
        tasks = TaskEmbeddings(TASKS, TASKS_PATH, 0, source="learned", width=E, projection=None)
        tasks.build(None)
        norm = ConditionalNorm(TASKS, NORM, 0, tasks, shift, name="conditional_layer_norm")
        norm.build(tf.TensorShape([None, None, D]))
        random = np.random.default_rng(2)
        for variable in norm.shared.values() if shake else ():
            variable.assign(random.normal(size=variable.shape))
        return norm

    return make


def expected(norm, t5_norm, states, tasks):
    """The outputs, by numpy: [B, S, D] for the tasks of B examples."""
    w = {name: variable.numpy() for name, variable in norm.shared.items()}
    normal = states / np.sqrt(np.mean(states**2, -1, keepdims=True) + EPSILON)
    rows = []
    for example, task in zip(normal, tasks, strict=True):
        e = norm.tasks.embedding.numpy()[task]
        gamma = t5_norm.weight.numpy() + e @ w["gamma_kernel"] + w["gamma_bias"]
        beta = e @ w["beta_kernel"] + w["beta_bias"] if norm.shift else 0.0
        rows.append(gamma * example + beta)
    return np.stack(rows)


@pytest.mark.parametrize("shift", [True, False])
def test_it_starts_as_the_backbones_norm_to_the_bit(make_norm, t5_norm, states, shift):
    norm = make_norm(shift, shake=False)
    for task in range(3):
        with route(tf.fill([4], task)):
            np.testing.assert_array_equal(norm(states, t5_norm), t5_norm(states))


@pytest.mark.parametrize("shift", [True, False])
def test_scales_and_shifts_are_made_of_the_tasks_embedding(make_norm, t5_norm, states, shift):
    norm = make_norm(shift)
    assert set(norm.shared) == {
        f"{part}_{what}"
        for part in (("gamma", "beta") if shift else ("gamma",))
        for what in ("kernel", "bias")
    }
    for tasks, by_example in ((np.full(4, 1), False), (MIXED, True)):
        with route(tf.constant(tasks, tf.int32), by_example):
            outputs = norm(states, t5_norm)
        np.testing.assert_allclose(
            outputs, expected(norm, t5_norm, states.numpy(), tasks), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("by_example", [False, True])
def test_gradients_are_those_of_the_formula(make_norm, t5_norm, states, by_example):
    norm = make_norm()
    tasks = MIXED if by_example else np.full(4, 2, np.int32)
    upstream = np.random.default_rng(3).normal(size=states.shape).astype(np.float32)
    with tf.GradientTape() as tape, route(tf.constant(tasks), by_example):
        tape.watch(states)
        total = tf.reduce_sum(norm(states, t5_norm) * upstream)
    sources = {"states": states, "embedding": norm.tasks.embedding, **norm.shared}
    got = {
        name: tf.convert_to_tensor(one).numpy()
        for name, one in tape.gradient(total, sources).items()
    }
    x, w = states.numpy(), {name: variable.numpy() for name, variable in norm.shared.items()}
    inverse = 1 / np.sqrt(np.mean(x**2, -1, keepdims=True) + EPSILON)
    normal = x * inverse
    e = norm.tasks.embedding.numpy()[tasks]  # [B, E]
    by_gamma, by_beta = (upstream * normal).sum(1), upstream.sum(1)  # [B, D]
    want = {
        "gamma_kernel": e.T @ by_gamma,
        "gamma_bias": by_gamma.sum(0),
        "beta_kernel": e.T @ by_beta,
        "beta_bias": by_beta.sum(0),
    }
    by_e = by_gamma @ w["gamma_kernel"].T + by_beta @ w["beta_kernel"].T
    want["embedding"] = np.stack([by_e[tasks == task].sum(0) for task in range(3)])
    gamma = t5_norm.weight.numpy() + e @ w["gamma_kernel"] + w["gamma_bias"]
    by_normal = upstream * gamma[:, None]
    mean = np.mean(by_normal * normal, -1, keepdims=True)
    want["states"] = inverse * (by_normal - normal * mean)
    for name, values in want.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_in_bfloat16_it_computes_in_float32(make_norm, t5_norm, states):
    set_precision("mixed_bfloat16")
    try:
        norm = make_norm()
        assert {variable.dtype for variable in norm.shared.values()} == {tf.float32}
        narrow = tf.cast(states, tf.bfloat16)
        with route(tf.fill([4], 1)):
            outputs = norm(narrow, t5_norm)
    finally:
        set_precision("float32")
    assert outputs.dtype == tf.bfloat16
    exact = expected(norm, t5_norm, tf.cast(narrow, tf.float32).numpy(), [1] * 4)
    # One rounding, at the end.
    np.testing.assert_array_equal(outputs, tf.cast(tf.constant(exact, tf.float32), tf.bfloat16))


@pytest.mark.slow
def test_parameters_of_t5_base(adapt_t5_base):
    model = adapt_t5_base(tuple("abcdefgh"), ConditionalLayerNormConfig())
    assert model.count_trainable() == 62 * 2 * 65 * 768 + 8 * 64 == 6_190_592
    banked = [variable for variable in model.trainable_variables if model.is_bank(variable)]
    assert [tuple(variable.shape) for variable in banked] == [(8, 64)]


@pytest.mark.slow
def test_which_norms_are_conditional(make_backbone):
    config = ConditionalLayerNormConfig(task_embedding_width=5, shift=False, stacks=("decoder",))
    model = TaskModel(make_backbone(), TASKS, config)
    # Two blocks of three norms, and the last one.
    assert len(model.banks) == 1 + 2 * 3 + 1
    assert {f"{NORM}.conditional_layer_norm.gamma_kernel"} < set(model.trainable_by_path())
    assert model.count_trainable() == 7 * (5 + 1) * 32 + 3 * 5


@pytest.mark.slow
def test_embeddings_learn_from_the_second_step_and_fixed_ones_never(make_backbone, uneven_batch):
    for source in ("fixed", "learned"):
        config = ConditionalLayerNormConfig(task_embeddings=source, task_embedding_width=5)
        model = TaskModel(make_backbone(), TASKS, config)
        bank = model.banks[TASKS_PATH].embedding
        before = bank.numpy()
        optimizer = OPTIMIZERS["adamw"](1e-2, model.is_bank)
        optimizer.build(model.trainable_variables)
        for moves in (False, source == "learned"):
            train_step(model, optimizer, uneven_batch(task=1))
            np.testing.assert_array_equal(bank.numpy()[[0, 2]], before[[0, 2]])
            assert np.any(bank.numpy()[1] != before[1]) == moves


@pytest.mark.slow
def test_it_stands_beside_a_hypernetwork_with_embeddings_of_its_own(
    make_backbone, assert_saves_and_loads, assert_decodes_step_by_step
):
    both = (
        HypernetworkConfig(reduction_factor=8, task_embedding_width=6),
        ConditionalLayerNormConfig(task_embedding_width=5),
    )
    model = TaskModel(make_backbone(), TASKS, both, freeze=["task_embeddings"])
    widths = [bank.embedding.shape[1] for bank in model.banks.values() if bank.banks]
    assert widths == [6, 5]
    assert not any("task_embeddings" in path for path in model.trainable_by_path())
    assert_saves_and_loads(both)
    assert_decodes_step_by_step(both)


def test_settings_that_cannot_be(tmp_path):
    with pytest.raises(ConfigurationError, match="conditional_layer_norm stacks 'both' is unknown"):
        ConditionalLayerNormConfig(stacks=("both",))
    with pytest.raises(ConfigurationError, match="task_embedding_width must be 1 or more, got 0"):
        ConditionalLayerNormConfig(task_embedding_width=0)
    settings = {"task_embeddings": str(tmp_path / "gone.npz"), "shift": False}
    without = ConditionalLayerNormConfig.without_files(settings)
    assert without == {"task_embeddings": "fixed", "shift": False}


@pytest.mark.slow
def test_injections_that_cannot_be(make_backbone):
    with pytest.raises(ConfigurationError, match="no layer of the model matches"):
        inject_method(make_backbone(), ConditionalLayerNormConfig(stacks=()), TASKS, seed=0)
    message = "conditional_layer_norm task_embeddings 'learnt' is no file; did you mean 'learned'"
    with pytest.raises(ConfigurationError, match=message):
        config = ConditionalLayerNormConfig(task_embeddings="learnt")
        inject_method(make_backbone(), config, TASKS, seed=0)
