"""One of T5's layer norms and what comes into it, for the methods that are about norms."""

import numpy as np
import pytest
import tensorflow as tf
from transformers.models.t5.modeling_tf_t5 import TFT5LayerNorm

D = 6


@pytest.fixture
def t5_norm():
    """A norm of width 6, its scales drawn."""
    layer = TFT5LayerNorm(D, epsilon=1e-6)
    layer.build([None, None, D])
    layer.weight.assign(np.random.default_rng(0).normal(size=D))
    return layer


@pytest.fixture
def states():
    """Four rows of three positions, for that norm."""
    return tf.constant(np.random.default_rng(1).normal(size=(4, 3, D)), tf.float32)
