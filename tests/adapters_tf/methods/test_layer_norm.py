"""T5's own layer norms, one set per task."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import ConfigurationError, LayerNormConfig, inject_method, route
from adapters_tf.methods.layer_norm import LayerNormBank

TASKS = ("first", "second", "third")
D = 6
MIXED = np.array([2, 0, 1, 2], np.int32)


@pytest.fixture
def bank(t5_norm):
    bank = LayerNormBank(TASKS, "encoder.final_layer_norm", 0, t5_norm.weight.numpy(), name="norm")
    bank.build(tf.TensorShape([None, None, D]))
    return bank


def test_every_task_starts_from_the_backbones_scales(bank, t5_norm, states):
    np.testing.assert_array_equal(bank.weight, np.tile(t5_norm.weight, (3, 1)))
    for task in range(3):
        with route(tf.fill([4], task)):
            np.testing.assert_allclose(bank(states, t5_norm), t5_norm(states), atol=1e-6)


def test_each_task_has_scales_of_its_own(bank, t5_norm, states):
    scales = np.random.default_rng(2).normal(size=(3, D)).astype(np.float32)
    bank.weight.assign(scales)
    square = np.mean(states.numpy() ** 2, axis=-1, keepdims=True)
    normal = states.numpy() / np.sqrt(square + 1e-6)
    with route(tf.fill([4], 2)):
        np.testing.assert_allclose(bank(states, t5_norm), normal * scales[2], atol=1e-5)
    with route(tf.constant(MIXED), by_example=True):
        mixed = bank(states, t5_norm).numpy()
    np.testing.assert_allclose(mixed, normal * scales[MIXED][:, None], atol=1e-5)


@pytest.mark.slow
def test_all_norms_are_tuned_the_last_of_each_stack_among_them(make_backbone, adapt_t5_base):
    banks = inject_method(make_backbone(), LayerNormConfig(), TASKS, seed=0)
    assert len(banks) == 2 * 2 + 1 + 2 * 3 + 1
    assert {"encoder.final_layer_norm", "decoder.block.1.layer.2.layer_norm"} <= set(banks)
    alone = inject_method(make_backbone(), LayerNormConfig(stacks=("decoder",)), TASKS, seed=0)
    assert len(alone) == 2 * 3 + 1 and all(path.startswith("decoder") for path in alone)
    # 12 × 2 + 1 + 12 × 3 + 1 norms of 768 units, as published: 47,616.
    assert adapt_t5_base(("a",), LayerNormConfig()).count_trainable() == 47_616


def test_settings_that_cannot_be():
    with pytest.raises(ConfigurationError, match="layer_norm stacks 'both' is unknown"):
        LayerNormConfig(stacks=("both",))
