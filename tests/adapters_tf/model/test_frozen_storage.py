"""Frozen matrices kept in bfloat16: half the memory, and the same bits."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    HypernetworkConfig,
    LoraConfig,
    PrefixConfig,
    PromptConfig,
    TaskModel,
    export_tensors,
    set_precision,
)
from adapters_tf.backbone.huggingface import tensor_table
from adapters_tf.backbone.sites import backbone_path
from adapters_tf.model.frozen_storage import store_frozen

pytestmark = pytest.mark.slow
TASKS = ("a", "b")


@pytest.fixture
def in_bfloat16():
    set_precision("mixed_bfloat16")
    yield
    set_precision("float32")


def scores_and_gradients(model, batch):
    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            scores = model(batch, training=False)
            loss = tf.reduce_sum(tf.nn.log_softmax(scores)[..., 3])
        return [scores, *tape.gradient(loss, model.trainable_variables)]

    return [tf.convert_to_tensor(value).numpy() for value in compute()]


@pytest.mark.parametrize(
    ("method", "overrides", "freeze"),
    [
        (BottleneckConfig(reduction_factor=8), {}, ()),
        (LoraConfig(rank=2, dora=True, targets=("q", "v", "wi", "wo")), {}, ()),
        (HypernetworkConfig(), {}, ()),
        ((PrefixConfig(), PromptConfig(length=3)), {"tie_word_embeddings": False}, ()),
        (None, {}, ("encoder", "embeddings")),
    ],
    ids=["bottleneck", "dora", "hypernetwork", "prefix and prompt, untied", "parts"],
)
def test_scores_and_gradients_keep_their_bits(
    make_backbone, batch, in_bfloat16, method, overrides, freeze
):
    results, sizes, names = [], [], []
    for is_stored in (False, True):
        model = TaskModel(make_backbone(**overrides), TASKS, method, seed=1, freeze=freeze)
        random = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign_add(random.normal(0, 0.05, variable.shape))
        if is_stored:
            store_frozen(model, model.backbone)
        assert all(one.dtype == tf.float32 for one in model.trainable_variables)
        results.append(scores_and_gradients(model, batch))
        frozen = model.backbone.non_trainable_weights
        sizes.append(sum(one.shape.num_elements() * one.dtype.size for one in frozen))
        names.append(sorted(map(backbone_path, model.backbone.weights)))
    for found, right in zip(*results, strict=True):
        np.testing.assert_array_equal(found, right)
    assert names[0] == names[1] and sizes[1] < 0.6 * sizes[0]


def test_what_is_written_is_float32_and_norms_stay(make_backbone, in_bfloat16):
    model = TaskModel(make_backbone(), TASKS, BottleneckConfig(reduction_factor=8))
    before = export_tensors(model.backbone)
    store_frozen(model, model.backbone)
    for name, slot in tensor_table(model.backbone).items():
        is_small = "layer_norm" in name or "relative_attention_bias" in name
        assert slot.variable.dtype == (tf.float32 if is_small else tf.bfloat16), name
    for name, value in export_tensors(model.backbone).items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, before[name], rtol=2**-8, err_msg=name)


def test_on_replicas(make_backbone, batch, in_bfloat16, two_replicas):
    with two_replicas.scope():
        model = TaskModel(make_backbone(), TASKS, BottleneckConfig(reduction_factor=8))
        run = tf.function(lambda: two_replicas.run(model, (batch,)), autograph=False)
        plain = run()
        store_frozen(model, model.backbone)
        run = tf.function(lambda: two_replicas.run(model, (batch,)), autograph=False)
        stored = run()
    table = model.backbone.shared.embeddings
    assert [one.dtype for one in table.values] == [tf.bfloat16] * 2
    for one, other in zip(plain.values, stored.values, strict=True):
        np.testing.assert_array_equal(one, other)


def test_float32_arithmetic_keeps_float32(make_backbone):
    model = TaskModel(make_backbone(), TASKS, BottleneckConfig(reduction_factor=8))
    store_frozen(model, model.backbone)
    assert all(one.dtype == tf.float32 for one in model.variables)


def test_where_every_matrix_trains_it_is_refused(make_backbone, in_bfloat16):
    model = TaskModel(make_backbone(), TASKS, None, freeze=["layer_norms"])
    with pytest.raises(ConfigurationError, match=r"every matrix of the backbone trains; choose"):
        store_frozen(model, model.backbone)
