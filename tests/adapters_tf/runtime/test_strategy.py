"""Devices, precision, and dropout that can be repeated."""

from urllib.error import URLError

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    TaskModel,
    make_dropout_stateless,
    make_strategy,
    set_precision,
)
from adapters_tf.runtime.strategy import TPU_VARIABLES, has_tpu


def test_one_cpu_needs_no_strategy():
    assert make_strategy("cpu").num_replicas_in_sync == 1


def test_logical_devices_are_replicas(four_replicas):
    assert four_replicas.num_replicas_in_sync == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tpus",), "did you mean 'tpu'"),
        (("gpu",), "sees no GPU"),
        (("cpu", 0), "must be 1 or more"),
        (("cpu", 5), "before TensorFlow is used"),
    ],
)
def test_what_cannot_be_had_is_one_line(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        make_strategy(*arguments)


@pytest.mark.parametrize("name", TPU_VARIABLES)
def test_a_tpu_is_announced_by_the_environment(monkeypatch, name):
    monkeypatch.setenv(name, "local")
    assert has_tpu()


@pytest.mark.parametrize("chips", ([], ["v6e"]))
def test_a_tpu_is_announced_by_its_chips(monkeypatch, chips):
    """Newer ones have no /dev/accel0."""
    for name in TPU_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("adapters_tf.runtime.strategy.list_chips", lambda: chips)
    assert has_tpu() == bool(chips)


def test_why_there_is_no_tpu_is_in_plain_words(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(ConfigurationError, match=r"at 'local': .* without TPUs.*make tpu-setup"):
        make_strategy("tpu")


def test_a_name_that_cannot_be_looked_up_is_one_line(monkeypatch):
    def fail(tpu):
        raise URLError("Name or service not known")

    resolver = tf.distribute.cluster_resolver.TPUClusterResolver
    monkeypatch.setattr(resolver, "connect", fail)
    monkeypatch.setenv("TPU_NAME", "mine")
    with pytest.raises(ConfigurationError, match=r"no TPU answers at 'mine': .*TPU_NAME=local"):
        make_strategy("tpu")


@pytest.mark.slow
def test_precision_is_set_or_refused(make_backbone, batch):
    with pytest.raises(ConfigurationError, match="did you mean 'mixed_bfloat16'"):
        set_precision("bfloat16")
    exact = TaskModel(make_backbone(), ("a", "b"), BottleneckConfig(reduction_factor=8))(batch)
    set_precision("mixed_bfloat16")
    try:
        model = TaskModel(make_backbone(), ("a", "b"), BottleneckConfig(reduction_factor=8))
        assert {variable.dtype for variable in model.variables} == {tf.float32}
        logits = model(batch)
        states = model.backbone.shared(batch["encoder_input_tokens"])
    finally:
        set_precision("float32")
    assert logits.dtype == tf.float32 and states.dtype == tf.bfloat16
    # bfloat16 keeps 8 bits: close, and not the same arithmetic.
    assert 0 < np.abs(logits - exact).max() < 0.1 * np.abs(exact).max()


@pytest.mark.slow
def test_dropout_is_a_function_of_seed_step_and_layer(make_backbone, batch):
    step = tf.Variable(0, dtype=tf.int64)
    model = TaskModel(make_backbone(dropout_rate=0.5), ("a", "b"), None)
    # One per stack, and per block two for each attention and two for the feed-forward.
    assert make_dropout_stateless(model, seed=3, step=step) == (1 + 2 * 4) + (1 + 2 * 6)
    first = model(batch, training=True).numpy()
    np.testing.assert_array_equal(model(batch, training=True).numpy(), first)
    step.assign_add(1)
    assert np.any(model(batch, training=True).numpy() != first)
    step.assign(0)
    make_dropout_stateless(model, seed=4, step=step)
    assert np.any(model(batch, training=True).numpy() != first)


def test_dropout_keeps_the_mean_and_differs_by_replica(four_replicas):
    with four_replicas.scope():
        layer = tf_keras.layers.Dropout(0.25)
        step = tf.Variable(0, dtype=tf.int64)
        model = tf_keras.Sequential([layer])
    make_dropout_stateless(model, seed=0, step=step)
    ones = tf.ones([100, 100])
    results = four_replicas.run(lambda: model(ones, training=True))
    values = [value.numpy() for value in four_replicas.experimental_local_results(results)]
    for value in values:
        assert set(np.unique(value)) == {0.0, np.float32(1 / 0.75)}
        assert abs(value.mean() - 1.0) < 0.02
    assert np.any(values[0] != values[1])
