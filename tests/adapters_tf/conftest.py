"""A T5 small enough to build in a second, and batches of uneven lengths for it."""

import numpy as np
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


def uneven_batch(examples=8, task=1, seed=0, input_length=9, target_length=6):
    """Random tokens with a different number of padded positions in every row."""
    random = np.random.default_rng(seed)
    inputs = random.integers(3, 100, (examples, input_length)).astype(np.int32)
    targets = random.integers(3, 100, (examples, target_length)).astype(np.int32)
    for row in range(examples):
        inputs[row, 2 + row % (input_length - 1) :] = 0
        targets[row, 1 + row % target_length :] = 0
    shifted = np.zeros_like(targets)
    shifted[:, 1:] = targets[:, :-1]
    return {
        "encoder_input_tokens": tf.constant(inputs),
        "decoder_input_tokens": tf.constant(shifted),
        "decoder_target_tokens": tf.constant(targets),
        "decoder_loss_weights": tf.constant((targets != 0).astype(np.float32)),
        "task": tf.fill([examples], task),
    }


@pytest.fixture
def batch():
    return uneven_batch()
