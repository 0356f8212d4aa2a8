"""The bottleneck adapter: its arithmetic, its parameter counts, its place in T5."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from scipy.special import expit

from adapters_tf import (
    AdaptedSublayer,
    BottleneckBank,
    BottleneckConfig,
    ConfigurationError,
    LayerNormConfig,
    TaskModel,
    inject_method,
    route,
)
from adapters_tf.backbone.huggingface import export_tensors

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")


def normalise(values, gamma, beta):
    centred = values - values.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


@pytest.mark.parametrize("norms", [(False, True), (True, False), (True, True), (False, False)])
def test_follows_the_published_definition(norms):
    pre_norm, post_norm = norms
    config = BottleneckConfig(reduction_factor=4, pre_norm=pre_norm, post_norm=post_norm)
    bank = BottleneckBank(config, TASKS, "here", seed=3, width=4)
    bank.build(tf.TensorShape([None, None, 16]))
    random = np.random.default_rng(0)
    weights = [random.normal(size=weight.shape).astype(np.float32) for weight in bank.weights]
    bank.set_weights(weights)
    named = {k: v.numpy() for k, v in {**bank.banks, **bank.shared}.items()}
    y = random.normal(size=(2, 5, 16)).astype(np.float32)

    with route(tf.constant([2, 2])):
        result = bank(y).numpy()

    z = normalise(y, named["pre_norm.gamma"], named["pre_norm.beta"]) if pre_norm else y
    z = z @ named["down_kernel"][2] + named["down_bias"][2]
    z = (z * expit(z)) @ named["up_kernel"][2] + named["up_bias"][2]
    if post_norm:
        z = normalise(z, named["post_norm.gamma"], named["post_norm.beta"])
    np.testing.assert_allclose(result, y + z, rtol=1e-4, atol=1e-4)


def test_a_learned_scaling_starts_at_one_and_scales_what_is_added():
    fixed, learned = (
        BottleneckBank(BottleneckConfig(scaling=scaling), TASKS, "here", seed=3, width=4)
        for scaling in (1.0, "learned")
    )
    for bank in (fixed, learned):
        bank.build(tf.TensorShape([None, None, 16]))
    y = np.random.default_rng(0).normal(size=(2, 5, 16)).astype(np.float32)
    with route(tf.constant([1, 1])):
        np.testing.assert_array_equal(learned(y), fixed(y))
        learned.scale.assign([[3.0], [-0.5], [7.0]])
        np.testing.assert_allclose(learned(y) - y, -0.5 * (fixed(y) - y), atol=1e-6)


def test_starts_as_published_and_independent_of_the_other_tasks():
    bank = BottleneckBank(BottleneckConfig(reduction_factor=2), TASKS, "here", seed=3, width=256)
    bank.build(tf.TensorShape([None, None, 512]))
    alone = BottleneckBank(
        BottleneckConfig(reduction_factor=2), ("third",), "here", seed=3, width=256
    )
    alone.build(tf.TensorShape([None, None, 512]))
    for kernel in (bank.down_kernel, bank.up_kernel):
        assert abs(np.std(kernel) - 0.01) < 2e-4
        assert abs(np.mean(kernel)) < 2e-4
    assert not np.any(bank.down_bias) and not np.any(bank.up_bias)
    np.testing.assert_array_equal(bank.down_kernel[2], alone.down_kernel[0])
    assert np.any(bank.down_kernel[0].numpy() != bank.down_kernel[1].numpy())


def test_parameter_counts_of_t5_base(adapt_t5_base):
    config = BottleneckConfig(reduction_factor=32)
    one = adapt_t5_base(("a",), config)
    eight = adapt_t5_base(tuple("abcdefgh"), config)
    with_norms = adapt_t5_base(("a",), config, train_layer_norms=True)
    assert one.count_trainable() == 1_881_216
    assert eight.count_trainable() == 14_533_632
    assert with_norms.count_trainable() - one.count_trainable() == 47_616


def test_sits_after_self_attention_and_feed_forward_only(make_backbone):
    backbone = make_backbone()
    banks = inject_method(backbone, BottleneckConfig(reduction_factor=8), TASKS, seed=0)
    assert list(banks) == [
        "encoder.block.0.layer.0.SelfAttention",
        "encoder.block.0.layer.1.DenseReluDense",
        "encoder.block.1.layer.0.SelfAttention",
        "encoder.block.1.layer.1.DenseReluDense",
        "decoder.block.0.layer.0.SelfAttention",
        "decoder.block.0.layer.2.DenseReluDense",
        "decoder.block.1.layer.0.SelfAttention",
        "decoder.block.1.layer.2.DenseReluDense",
    ]
    for block in backbone.decoder.block:
        assert isinstance(block.layer[0].SelfAttention, AdaptedSublayer)
        assert not isinstance(block.layer[1].EncDecAttention, AdaptedSublayer)
        assert isinstance(block.layer[2].DenseReluDense, AdaptedSublayer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"placement": ("self_atention",)}, "did you mean 'self_attention'"),
        ({"stacks": ("encodr",)}, "did you mean 'encoder'"),
        ({"scaling": "learnt"}, "must be a number or 'learned'"),
        ({"activation": "gelo"}, "did you mean 'gelu'"),
        ({"reduction_factor": 0}, "must be 1 or more"),
    ],
)
def test_settings_that_cannot_be_name_the_nearest(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        BottleneckConfig(**settings)


@pytest.mark.parametrize("settings", [{"placement": ()}, {"stacks": ()}])
def test_an_injection_that_matches_nothing_is_an_error(make_backbone, settings):
    with pytest.raises(ConfigurationError, match="no layer of the model matches"):
        inject_method(make_backbone(), BottleneckConfig(**settings), TASKS, seed=0)


def test_no_task_two_injections_and_no_unit_are_errors(make_backbone):
    config = BottleneckConfig(reduction_factor=8)
    with pytest.raises(ConfigurationError, match="at least one task"):
        inject_method(make_backbone(), config, (), seed=0)
    backbone = make_backbone()
    inject_method(backbone, config, TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="already"):
        inject_method(backbone, config, TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="leaves no unit"):
        inject_method(make_backbone(), BottleneckConfig(reduction_factor=33), TASKS, seed=0)


def test_running_without_a_task_says_so(make_backbone):
    backbone = make_backbone()
    inject_method(backbone, BottleneckConfig(reduction_factor=8), TASKS, seed=0)
    with pytest.raises(Exception, match="inside `with route"):
        backbone.encoder(tf.constant([[5, 6, 7]]))


def test_a_wrapped_sublayer_is_still_a_keras_layer(make_backbone, batch):
    backbone = make_backbone()
    before = len(backbone.weights)
    banks = inject_method(backbone, BottleneckConfig(reduction_factor=8), TASKS, seed=0)
    added = sum(len(bank.weights) for bank in banks.values())
    assert len(backbone.weights) == before + added
    assert all(isinstance(bank, tf_keras.layers.Layer) for bank in banks.values())


def residual_logits(make_backbone, methods, **keywords):
    model = TaskModel(make_backbone(), TASKS, methods, **keywords)
    random = np.random.default_rng(0)
    for _, variable in sorted(model.trainable_by_path().items()):
        if model.is_bank(variable):
            variable.assign_add(random.normal(0, 0.3, variable.shape).astype(np.float32))
    return model


@pytest.mark.parametrize("parallel", [False, True])
def test_reads_the_residual_stream(make_backbone, parallel):
    config = BottleneckConfig(
        reduction_factor=8,
        post_norm=False,
        activation="relu",
        parallel=parallel,
        scaling=0.5,
        placement=("self_attention", "cross_attention", "feed_forward"),
        reads_residual_stream=True,
    )
    model, plain = residual_logits(make_backbone, config), make_backbone()
    random = np.random.default_rng(1)
    x, states = (tf.constant(random.normal(size=(2, 5, 32)), tf.float32) for _ in range(2))
    for number, given in enumerate([{}, {"key_value_states": states}, {}]):
        layer = model.backbone.decoder.block[1].layer[number]
        kind = ("SelfAttention", "EncDecAttention", "DenseReluDense")[number]
        bank = model.banks[f"decoder.block.1.layer.{number}.{kind}"]
        with route(tf.constant([2, 2])):
            adapted = layer(x, **given)
        summed = plain.decoder.block[1].layer[number](x, **given)  # x + y
        adapted, summed = (
            (out[0] if isinstance(out, tuple) else out).numpy() for out in (adapted, summed)
        )
        w = {name: variable[2].numpy() for name, variable in bank.banks.items()}
        read = x.numpy() if parallel else summed
        out = np.maximum(read @ w["down_kernel"] + w["down_bias"], 0) @ w["up_kernel"]
        np.testing.assert_allclose(adapted, summed + 0.5 * (out + w["up_bias"]), atol=1e-4)


def test_the_residual_stream_is_read_beside_adapted_layer_norms(make_backbone, uneven_batch):
    """Both are about the same layer norm, in either order; and T5's own may train instead."""
    stream = BottleneckConfig(reduction_factor=8, reads_residual_stream=True)
    batch = {key: tf.constant(value) for key, value in uneven_batch().items()}
    models = [
        residual_logits(make_backbone, methods)
        for methods in ((stream, LayerNormConfig()), (LayerNormConfig(), stream))
    ]
    np.testing.assert_allclose(models[0](batch), models[1](batch), atol=1e-5)
    alone = residual_logits(make_backbone, stream)(batch).numpy()
    assert np.abs(alone - models[0](batch)).max() > 1e-2
    trained = residual_logits(make_backbone, stream, train_layer_norms=True)
    norms = [path for path in trained.trainable_by_path() if "layer_norm" in path]
    assert len(norms) == 2 * 2 + 2 * 3 + 2
    for name, tensor in export_tensors(make_backbone()).items():
        np.testing.assert_array_equal(export_tensors(trained.backbone)[name], tensor)


def test_blocks_to_leave_out_have_to_be_there(make_backbone):
    with pytest.raises(ConfigurationError, match="bottleneck leave_out 7: the blocks that could"):
        inject_method(make_backbone(), BottleneckConfig(leave_out=(7,)), TASKS, seed=0)
