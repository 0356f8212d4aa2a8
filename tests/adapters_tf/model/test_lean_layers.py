"""A TFT5 with the leaner layers computes what it did, logits and gradients."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import load_backbone
from adapters_tf.backbone.huggingface import tensor_table
from adapters_tf.model.forward import decode, encode, project_logits
from adapters_tf.model.lean_layers import LeanAttention, LeanDense, use_lean_layers
from adapters_tf.runtime.dropout import make_dropout_stateless
from adapters_tf.runtime.target import compiling_for_tpu

pytestmark = pytest.mark.slow
SMALL = {"d_model": 32, "d_kv": 20, "d_ff": 64, "num_heads": 4, "num_layers": 2}
SMALL |= {"num_decoder_layers": 2}
# Of 5 queries and heads of 20, answers take no keys and values of the encoder; training does.
GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}


def logits_and_gradients(model, training):
    random = np.random.default_rng(0)
    inputs = random.integers(3, 100, (3, 9)).astype(np.int32)
    inputs[1, 5:] = 0
    batch = {
        "encoder_input_tokens": tf.constant(inputs),
        "decoder_input_tokens": tf.constant(random.integers(3, 100, (3, 5)).astype(np.int32)),
    }
    with tf.GradientTape() as tape:
        states = encode(model, batch, training)
        logits = project_logits(model, decode(model, batch, states, training))
        loss = tf.reduce_sum(tf.nn.log_softmax(logits)[..., 7])
    gradients = tape.gradient(loss, model.trainable_variables)
    return [logits, *map(tf.convert_to_tensor, gradients)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("target", [nullcontext, compiling_for_tpu])
@pytest.mark.parametrize("kind", [{}, GATED], ids=["original", "version 1.1"])
def test_logits_and_gradients_stay(kind, target, training):
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides={**SMALL, **kind})
    make_dropout_stateless(backbone, 0, tf.Variable(3, dtype=tf.int64))
    names = list(tensor_table(backbone))
    expected = logits_and_gradients(backbone, training)
    use_lean_layers(backbone)
    assert list(tensor_table(backbone)) == names
    attention = backbone.encoder.block[0].layer[0].SelfAttention
    assert isinstance(attention, LeanAttention) and isinstance(attention.q, LeanDense)
    with target():
        options = {"jit_compile": target is compiling_for_tpu, "autograph": False}
        compute = tf.function(logits_and_gradients, **options)
        got = compute(backbone, training)
    for value, right in zip(got, expected, strict=True):
        scale = np.abs(right.numpy()).max()
        np.testing.assert_allclose(value, right, rtol=1e-4, atol=2e-6 * max(scale, 1.0))


def test_dropout_stays_in_force_with_keras_masks():
    """Before `make_dropout_stateless`, masks are Keras's own, of full size."""
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
    use_lean_layers(backbone)
    first, again = (logits_and_gradients(backbone, True)[0] for _ in range(2))
    assert np.any(first != again)
