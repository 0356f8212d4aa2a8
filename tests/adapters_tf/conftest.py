"""A T5 small enough to build in a second, and a batch of uneven lengths for it."""

import pytest
import tensorflow as tf

from adapters_tf import load_backbone

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "dropout_rate": 0.0}


@pytest.fixture
def make_backbone():
    def make(seed=0, **overrides):
        return load_backbone(
            "t5-tiny", vocabulary_size=100, overrides={**SMALL, **overrides}, seed=seed
        )

    return make


@pytest.fixture
def batch(uneven_batch):
    return {key: tf.constant(value) for key, value in uneven_batch().items()}
