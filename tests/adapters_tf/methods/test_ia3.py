"""(IA)³: what is scaled where, and its size."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import ConfigurationError, Ia3Config, inject_method, route
from adapters_tf.methods.ia3 import Ia3Bank

TASKS = ("first", "second", "third")
MIXED = np.array([2, 0, 1, 2], np.int32)


@pytest.fixture
def projection():
    layer = tf_keras.layers.Dense(5, use_bias=False)
    layer.build([None, None, 6])
    return layer


@pytest.fixture
def inputs():
    return tf.constant(np.random.default_rng(1).normal(size=(4, 3, 6)), tf.float32)


def bank_of(at_input):
    bank = Ia3Bank(TASKS, "encoder.k", 0, at_input, name="ia3")
    bank.build(tf.TensorShape([None, None, 6 if at_input else 5]))
    assert np.all(bank.scale.numpy() == 1.0)
    bank.scale.assign(np.random.default_rng(2).normal(size=bank.scale.shape))
    return bank


@pytest.mark.parametrize("at_input", [True, False])
def test_inputs_or_outputs_are_scaled(projection, inputs, at_input):
    bank = bank_of(at_input)
    scale, kernel = bank.scale.numpy(), projection.kernel.numpy()

    def by_hand(row, task):
        if at_input:
            return (inputs[row].numpy() * scale[task]) @ kernel
        return (inputs[row].numpy() @ kernel) * scale[task]

    with route(tf.fill([4], 1)):
        outputs = bank(inputs, projection).numpy()
    with route(tf.constant(MIXED), by_example=True):
        mixed = bank(inputs, projection).numpy()
    for row, task in enumerate(MIXED):
        np.testing.assert_allclose(outputs[row], by_hand(row, 1), atol=1e-5)
        np.testing.assert_allclose(mixed[row], by_hand(row, task), atol=1e-5)


@pytest.mark.slow
def test_keys_values_and_the_feed_forwards_inner_output_are_scaled(make_backbone):
    banks = inject_method(make_backbone(), Ia3Config(), TASKS, seed=0)
    widths = {path.rsplit(".", 1)[1]: int(bank.scale.shape[1]) for path, bank in banks.items()}
    assert widths == {"k": 32, "v": 32, "wo": 64}
    assert {path for path, bank in banks.items() if bank.at_input} == {
        path for path in banks if path.endswith(".wo")
    }
    assert len(banks) == 2 * (2 + 1) + 2 * (4 + 1)


@pytest.mark.slow
def test_parameter_counts_of_t5_base(adapt_t5_base):
    # 36 attentions of twice 768, and 24 feed-forwards of 3072.
    assert adapt_t5_base(("a",), Ia3Config()).count_trainable() == (36 * 2 * 768 + 24 * 3072)


def test_settings_that_cannot_be():
    with pytest.raises(ConfigurationError, match="ia3 targets 'wk' is unknown"):
        Ia3Config(targets=("wk",))
    with pytest.raises(ConfigurationError, match="did you mean 'decoder'"):
        Ia3Config(stacks=("decodr",))
