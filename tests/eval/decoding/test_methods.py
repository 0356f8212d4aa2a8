"""Greedy decoding with every adapter method, against the forward pass."""

import numpy as np
import pytest
import tensorflow as tf

from eval.decoding.greedy import GreedyModel
from tests.adapters_tf.methods.cases import for_every_name, make_model, shake

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]


@for_every_name
def test_greedy_decoding_agrees_with_the_forward_pass(name, uneven_batch):
    model = make_model(name)
    shake(model)
    batch = {key: tf.constant(value) for key, value in uneven_batch(task=2).items()}
    tokens = GreedyModel(model, length=5)(batch).numpy()
    shifted = np.zeros_like(tokens)
    shifted[:, 1:] = tokens[:, :-1]
    best = model({**batch, "decoder_input_tokens": shifted}).numpy().argmax(-1)
    real = np.cumprod(shifted != 1, axis=1).astype(bool)  # up to and with the first EOS
    np.testing.assert_array_equal(tokens[real], best[real])
