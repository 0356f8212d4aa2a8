"""Dropout masks: their rate and mean, what they share, and what they depend on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import load_backbone
from adapters_tf.backbone.keras_internals import all_layers, dropout_generator
from adapters_tf.errors import ConfigurationError
from adapters_tf.runtime.dropout import (
    StepDropoutGenerator,
    dropout_mask,
    make_dropout_stateless,
    packed_mask,
    shared_mask,
    word_mask,
)

KEY, COUNTER = np.array([7 << 32], np.uint64), np.array([3 << 32, 0], np.uint64)
FULL = (word_mask, packed_mask)
DRAWS = (shared_mask, *FULL)


def make_generator(draw, seed=3, layer=4, step=5) -> StepDropoutGenerator:
    return StepDropoutGenerator(seed, layer, tf.Variable(step, dtype=tf.int64), draw)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(64, 1, 1024), (333, 1, 203)])
def test_units_are_dropped_at_the_rate_and_the_rest_scaled(draw, rate, shape):
    outputs = make_generator(draw).dropout(tf.ones(shape), rate).numpy()
    assert outputs.shape == shape
    share = np.mean(outputs == 0)
    # Four standard deviations; packed, a mask's rate is one of two multiples of 2^-8 beside it.
    tolerance = 4 * np.sqrt(rate * (1 - rate) / outputs.size)
    assert abs(share - rate) < tolerance + (2**-8 if draw is packed_mask else 0)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("rate", [0.1, 0.0625, 0.9])
def test_the_rate_is_met_exactly_on_average(draw, rate):
    generator = make_generator(draw)
    dropped = tf.function(lambda: generator.dropout(tf.ones([40_000]), rate))
    shares = []
    for step in range(400):
        generator.step.assign(step)
        shares.append(np.mean(dropped() == 0))
    # A mask's own share deviates by its threshold (at most half of 2^-8) and by chance.
    deviation = np.sqrt(rate * (1 - rate) / 40_000 + 2**-18)
    assert abs(np.mean(shares) - rate) < 4 * deviation / np.sqrt(len(shares))


def test_positions_share_a_mask_and_rows_do_not():
    for shape in ([16, 30, 200], [16, 4, 30, 200]):
        mask = shared_mask(shape, 0.5, KEY, COUNTER).numpy()
        assert mask.shape == (*shape[:-2], 1, 200)
        rows = mask.reshape(-1, 200)
        assert len({row.tobytes() for row in rows}) == len(rows)
    assert shared_mask([30, 200], 0.5, KEY, COUNTER).shape == (30, 200)


def test_the_units_of_a_word_are_independent():
    kept = packed_mask([1000, 1000], 0.5, KEY, COUNTER).numpy()
    correlations = np.corrcoef(kept.reshape(1000, 4, 250).swapaxes(0, 1).reshape(4, -1))
    assert np.abs(correlations - np.eye(4)).max() < 4 / np.sqrt(250_000)


@pytest.mark.parametrize("draw", DRAWS)
def test_seed_layer_and_step_decide_the_mask(draw):
    def mask(**changed):
        return make_generator(draw, **changed).dropout(tf.ones([8, 2, 64]), 0.5).numpy().tobytes()

    masks = [mask(), mask(seed=4), mask(layer=5), mask(step=6)]
    assert len(set(masks)) == 4
    assert mask() == masks[0]


@pytest.mark.parametrize("draw", DRAWS)
def test_all_that_decides_is_in_the_words_a_tpu_reads(draw):
    """A TPU's generator takes the key and the first word of the counter."""
    seen = []

    def record(shape, rate, key, counter):
        seen.append((int(key[0]), int(counter[0])))
        assert int(counter[1]) == 0
        return draw(shape, rate, key, counter)

    for changed in ({}, {"seed": 4}, {"layer": 5}, {"step": 6}):
        make_generator(record, **changed).dropout(tf.ones([2, 2, 8]), 0.5)
    assert len(set(seen)) == 4


def test_replicas_draw_masks_of_their_own():
    devices = tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        pytest.skip("needs two logical CPU devices")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices[:2]])
    generator = make_generator(shared_mask)
    masks = strategy.run(lambda: generator.dropout(tf.ones([8, 2, 64]), 0.5))
    first, second = strategy.experimental_local_results(masks)
    assert np.any(first != second)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_cannot_be_drawn_is_refused(rate):
    with pytest.raises(ConfigurationError, match="from 0 to below 1"):
        make_generator(shared_mask).dropout(tf.ones([4]), rate)


def test_a_rate_that_eight_bits_cannot_tell_from_one_is_refused():
    with pytest.raises(ConfigurationError, match="from 0 to 255/256"):
        make_generator(packed_mask).dropout(tf.ones([4]), 0.999)


@pytest.mark.parametrize("draw", DRAWS)
def test_gradients_pass_where_units_were_kept(draw):
    inputs = tf.random.stateless_normal([20, 3, 31], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = make_generator(draw).dropout(inputs, 0.3)
    np.testing.assert_allclose(tape.gradient(outputs, inputs) * inputs, outputs, rtol=1e-6)


@pytest.mark.parametrize("draw", DRAWS)
def test_unknown_shapes_and_xla_give_the_same_mask(draw):
    inputs, generator = tf.ones([16, 16, 99]), make_generator(draw)
    expected = generator.dropout(inputs, 0.4)
    signature = [tf.TensorSpec([None, None, None], tf.float32)]
    unknown = tf.function(lambda x: generator.dropout(x, 0.4), input_signature=signature)
    np.testing.assert_array_equal(unknown(inputs), expected)
    compiled = tf.function(lambda x: generator.dropout(x, 0.4), jit_compile=True)
    for step in range(20):
        generator.step.assign(step)
        expected = generator.dropout(inputs, 0.4)
        np.testing.assert_allclose(compiled(inputs), expected, rtol=1e-6)


@pytest.mark.parametrize("draw", DRAWS)
def test_half_precision_stays_and_its_mean_too(draw):
    outputs = make_generator(draw).dropout(tf.fill([2000, 1, 1000], tf.cast(1.7, tf.bfloat16)), 0.1)
    assert outputs.dtype == tf.bfloat16
    kept = tf.cast(outputs, tf.float32).numpy()
    # 1.7 is 1.703125 in bfloat16; the product is rounded once, to 8 bits.
    np.testing.assert_allclose(kept[kept != 0], 1.703125 / 0.9, rtol=2**-9)


def test_a_shape_of_its_own_is_refused():
    with pytest.raises(NotImplementedError, match="whole model"):
        make_generator(shared_mask).dropout(tf.ones([2, 2]), 0.1, noise_shape=(2, 1))


@pytest.mark.parametrize("kind", ["shared_along_length", "per_unit"])
def test_a_layers_mask_is_what_it_drops(kind):
    layer, inputs = tf_keras.layers.Dropout(0.3), tf.ones([4, 5, 64])
    own = dropout_mask(layer, [4, 5, 64])
    assert own.shape == (4, 5, 64)  # Keras's own masks, before they are replaced
    assert set(np.unique(own)) == {0.0, 1.0}
    model = tf_keras.Sequential([layer])
    model.build(inputs.shape)
    assert make_dropout_stateless(model, 0, tf.Variable(1, dtype=tf.int64), kind) == 1
    mask = dropout_mask(layer, [4, 5, 64])
    np.testing.assert_allclose(layer(inputs, training=True), inputs * mask / 0.7, rtol=1e-6)
    assert (mask.shape[1] == 1) == (kind == "shared_along_length")
    assert dropout_mask(tf_keras.layers.Dropout(0.0), [4, 5, 64]) is None


@pytest.mark.slow
def test_no_two_masks_of_a_t5_are_drawn_alike_and_each_step_draws_its_own():
    """A stack uses one layer twice, after the embeddings and after its last norm."""
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 2}
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=sizes)
    step = tf.Variable(0, dtype=tf.int64)
    make_dropout_stateless(backbone, 0, step)
    seen = []

    def record(shape, rate, key, counter):
        seen.append((int(key[0]), int(counter[0])))
        return shared_mask(shape, rate, key, counter)

    for layer in all_layers(backbone):
        if isinstance(layer, tf_keras.layers.Dropout):
            dropout_generator(layer).draw = record

    def forward():
        seen.clear()
        tokens = tf.ones([2, 5], tf.int32)
        backbone(input_ids=tokens, decoder_input_ids=tokens, training=True)
        return list(seen)

    first = forward()
    assert len(first) == len(set(first)) > 20
    assert forward() == first
    step.assign(1)
    assert not set(forward()) & set(first)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean 'per_unit'"):
        make_dropout_stateless(tf_keras.Sequential([]), 0, tf.Variable(0), "per_units")
