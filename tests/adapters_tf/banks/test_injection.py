"""Wrappers around layers of T5: who is wrapped, who is refused, who may be stacked on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import Site
from adapters_tf.banks.injection import (
    AdaptedLayer,
    AdaptedSublayer,
    StackedSublayer,
    inject,
    tap_residual_stream,
)
from adapters_tf.banks.routing import route, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant
from adapters_tf.errors import ConfigurationError

WIDTH = 4


class Shift(TaskBank):
    """Adds a number of each task to what a layer returns."""

    def build(self, input_shape):
        self.add_bank("shift", (int(input_shape[-1]),), constant(0.0))
        self.shift.assign([[0.0] * WIDTH, [10.0] * WIDTH])
        super().build(input_shape)

    def call(self, outputs, seen):
        self.seen = seen
        return outputs + task_vector(self.shift)


class Attention(tf_keras.layers.Layer):
    """Returns its doubled input and something beside it, as T5's attention does."""

    def call(self, inputs, mask=None):
        return 2.0 * inputs, mask


class Owner:
    """Holds a layer under a name, as T5's sublayers do."""

    def __init__(self, layer):
        self.layer = layer
        self.layer_norm = tf_keras.layers.Lambda(lambda stream: stream / 2.0)


@pytest.fixture
def owner():
    return Owner(Attention(name="attention"))


def site_of(owner, path="encoder.block.0"):
    return Site(path, owner, "layer", "encoder", 0)


def wrap(owner, wrapper=AdaptedSublayer, make=None, path="encoder.block.0"):
    def make_bank(site):
        return Shift(("a", "b"), site.path, 0, name="shift")

    return inject([site_of(owner, path)], make or make_bank, wrapper, lambda site: WIDTH)


def test_a_sublayers_output_passes_through_its_bank(owner):
    base = owner.layer
    banks = wrap(owner)
    assert list(banks) == ["encoder.block.0"]
    assert isinstance(owner.layer, AdaptedSublayer) and owner.layer.base is base
    assert owner.layer.name == "attention"
    inputs = tf.ones([2, 3, WIDTH])
    with route(tf.constant([1, 1])):
        outputs, mask = owner.layer(inputs, mask="kept")
    np.testing.assert_array_equal(outputs, np.full((2, 3, WIDTH), 12.0))
    assert mask == "kept"
    assert banks["encoder.block.0"].seen is inputs


def test_a_sublayer_may_return_a_tensor_alone(owner):
    owner.layer = tf_keras.layers.Lambda(lambda inputs: 3.0 * inputs)
    wrap(owner)
    with route(tf.constant([1])):
        np.testing.assert_array_equal(owner.layer(tf.ones([1, 1, WIDTH])), [[[13.0] * WIDTH]])


def test_a_layer_may_be_run_by_its_bank(owner):
    class Run(Shift):
        def call(self, inputs, base):
            return base(inputs)[0] - task_vector(self.shift)

    wrap(owner, AdaptedLayer, lambda site: Run(("a", "b"), site.path, 0, name="run"))
    with route(tf.constant([1])):
        np.testing.assert_array_equal(owner.layer(tf.ones([1, 1, WIDTH])), [[[-8.0] * WIDTH]])
    assert owner.layer.states_mask("mask") == "mask"


def test_a_place_that_is_taken_is_refused(owner):
    wrap(owner)
    with pytest.raises(ConfigurationError, match=r"block.0 has an adapter already \(shift\)"):
        wrap(owner)


def test_a_frozen_adapter_may_be_stacked_on(owner):
    wrap(owner, StackedSublayer)
    wrap(owner)
    with route(tf.constant([1])):
        outputs, _ = owner.layer(tf.ones([1, 1, WIDTH]))
    np.testing.assert_array_equal(outputs, [[[22.0] * WIDTH]])


def test_banks_are_built_before_they_are_wrapped_and_named_by_place(owner):
    bank = wrap(owner, path="decoder.block.3")["decoder.block.3"]
    assert bank.built and bank.shift.name.startswith("decoder/block/3/")


def test_the_residual_stream_is_seen_instead_of_the_input(owner):
    """T5 reads its stream through a norm: what the norm is given is the stream."""
    banks = wrap(owner)
    tap_residual_stream([site_of(owner)])
    stream = tf.fill([1, 1, WIDTH], 6.0)
    with route(tf.constant([0])):
        outputs, _ = owner.layer(owner.layer_norm(stream))
    np.testing.assert_array_equal(outputs, [[[6.0] * WIDTH]])  # twice the half of it
    np.testing.assert_array_equal(banks["encoder.block.0"].seen, stream)


def test_nothing_to_wrap_is_no_bank():
    assert inject([], None, AdaptedLayer, None) == {}
