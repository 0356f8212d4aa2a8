"""LoRA and DoRA: their arithmetic, by hand, and their size."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import ConfigurationError, LoraConfig, read_methods, route
from adapters_tf.methods.lora import LoraBank

TASKS = ("first", "second", "third")
I, O = 6, 5  # noqa: E741
MIXED = np.array([2, 0, 1, 2], np.int32)


@pytest.fixture
def projection():
    """A dense layer without a bias, as T5's are."""
    layer = tf_keras.layers.Dense(O, use_bias=False)
    layer.build([None, None, I])
    layer.kernel.assign(np.random.default_rng(0).normal(size=(I, O)))
    return layer


@pytest.fixture
def inputs():
    return tf.constant(np.random.default_rng(1).normal(size=(4, 3, I)), tf.float32)


def bank_of(projection, config, shaken=True):
    bank = LoraBank(config, TASKS, "encoder.q", 0, projection.kernel, name="lora")
    bank.build(tf.TensorShape([None, None, I]))
    if shaken:
        random = np.random.default_rng(2)
        for variable in bank.trainable_variables:
            variable.assign_add(random.normal(0, 0.5, variable.shape))
    return bank


def expected(bank, projection, inputs, task):
    """The published formula, with the changed weights written out."""
    weights = projection.kernel.numpy()
    changed = weights + bank.config.scaling * bank.a[task].numpy() @ bank.b[task].numpy()
    outputs = inputs.numpy() @ changed
    if bank.config.dora:
        outputs *= bank.magnitude[task].numpy() / np.linalg.norm(changed, axis=0)
    return outputs


CONFIGS = [
    LoraConfig(rank=2),
    LoraConfig(rank=4, alpha=3.0, rank_stabilised=True),
    LoraConfig(rank=2, dora=True),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["lora", "rank-stabilised", "dora"])
def test_it_computes_the_published_formula(projection, inputs, config):
    bank = bank_of(projection, config)
    answers = []
    for task in range(3):
        with route(tf.fill([4], task)):
            answers.append(bank(inputs, projection).numpy())
        np.testing.assert_allclose(
            answers[task], expected(bank, projection, inputs, task), atol=1e-5
        )
    with route(tf.constant(MIXED), by_example=True):
        mixed = bank(inputs, projection).numpy()
    for row, task in enumerate(MIXED):
        np.testing.assert_allclose(mixed[row], answers[task][row], atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=["lora", "rank-stabilised", "dora"])
def test_at_the_start_it_changes_nothing(projection, inputs, config):
    bank = bank_of(projection, config, shaken=False)
    assert not np.any(bank.b) and np.all(np.any(bank.a.numpy(), axis=(1, 2)))
    assert np.abs(bank.a).max() <= I**-0.5
    with route(tf.fill([4], 1)):
        np.testing.assert_allclose(bank(inputs, projection), projection(inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "scaling"),
    [
        (LoraConfig(rank=8, alpha=16.0), 2.0),
        (LoraConfig(rank=4, alpha=3.0), 0.75),
        (LoraConfig(rank=4, alpha=3.0, rank_stabilised=True), 1.5),
    ],
)
def test_scaling(config, scaling):
    assert config.scaling == scaling


def test_the_length_of_doras_weights_is_a_constant_in_the_gradient(projection, inputs):
    """As published (section 4.3): the gradient of the norm is left out, which saves memory."""
    bank = bank_of(projection, LoraConfig(rank=2, dora=True))
    with tf.GradientTape() as tape, route(tf.fill([4], 1)):
        loss = tf.reduce_sum(bank(inputs, projection))
    found = tf.convert_to_tensor(tape.gradient(loss, bank.b))[1].numpy()
    weights = projection.kernel.numpy()
    lengths = np.linalg.norm(
        weights + bank.config.scaling * bank.a[1].numpy() @ bank.b[1].numpy(), axis=0
    )
    factor = bank.magnitude[1].numpy() / lengths * bank.config.scaling
    by_hand = (inputs.numpy() @ bank.a[1].numpy()).sum((0, 1))[:, None] * factor
    np.testing.assert_allclose(found, by_hand, rtol=1e-4)


def test_dropout_is_on_in_training_alone(projection, inputs):
    bank = bank_of(projection, LoraConfig(rank=2, dropout=0.5))
    plain = bank_of(projection, LoraConfig(rank=2))
    with route(tf.fill([4], 0)):
        np.testing.assert_array_equal(bank(inputs, projection), plain(inputs, projection))
        trained = bank(inputs, projection, training=True)
        assert np.any(trained.numpy() != plain(inputs, projection).numpy())


@pytest.mark.slow
def test_parameter_counts_of_t5_base(adapt_t5_base):
    def count(**settings):
        return adapt_t5_base(("a",), LoraConfig(**settings)).count_trainable()

    # 36 attentions, two projections each of 768 × 768, rank 8.
    plain = 36 * 2 * 2 * 768 * 8
    assert count() == plain
    assert count(dora=True) == plain + 36 * 2 * 768
    assert count(targets=("wi", "wo"), stacks=("encoder",)) == 12 * 2 * (768 + 3072) * 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "lora rank must be 1 or more, got 0"),
        ({"dropout": 1.0}, "lora dropout must be from 0 to below 1, got 1.0"),
        ({"targets": ("q", "qv")}, "lora targets 'qv' is unknown"),
        ({"stacks": ("encodr",)}, "did you mean 'encoder'"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        LoraConfig(**settings)


def test_dora_is_lora_under_a_name_of_its_own():
    assert read_methods("dora", {"dora": {"rank": 2}}) == (LoraConfig(rank=2, dora=True),)
    assert LoraConfig(dropout=0.1).meaning() == LoraConfig().meaning()
    assert "rank" in dataclasses.asdict(LoraConfig())
