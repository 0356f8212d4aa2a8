"""Real tokens and positions of a batch, counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.steps.positions import Positions, count_positions

WORDS = {
    "encoder_input_tokens": np.array([[5, 6, 1, 0], [7, 1, 0, 0]], np.int32),
    "decoder_input_tokens": np.array([[0, 8, 0], [0, 9, 9]], np.int32),
    "decoder_target_tokens": np.array([[8, 1, 0], [9, 9, 1]], np.int32),
    # Half a weight, or none, is a token all the same.
    "decoder_loss_weights": np.array([[0.5, 0.5, 0], [0, 1, 1]], np.float32),
    "task": np.array([3, 3], np.int32),
}
CHOICES = {
    "encoder_input_tokens": np.array([[[4, 1, 0], [4, 5, 1]]], np.int32),
    "labels": np.array([1], np.float32),
    "label_weights": np.array([2.5], np.float32),
    "task": np.array([0], np.int32),
}
PACKED = {
    **WORDS,
    "encoder_segment_ids": np.array([[1, 1, 2, 0], [1, 1, 0, 0]], np.int32),
    "decoder_segment_ids": np.array([[1, 1, 0], [1, 2, 2]], np.int32),
}


@pytest.mark.parametrize(
    ("batch", "real", "positions"),
    [
        (WORDS, 5 + 5, 8 + 6),
        (PACKED, 5 + 5, 8 + 6),
        (CHOICES, 5, 6),
        ((WORDS, CHOICES), 5 + 5 + 5, 8 + 6 + 6),
    ],
    ids=["words", "packed", "choices", "several shapes"],
)
def test_tokens_are_told_from_padding(batch, real, positions):
    assert tuple(map(float, count_positions(batch))) == (real, positions)


def test_replicas_are_added_up_and_a_reading_begins_anew(two_replicas):
    with two_replicas.scope():
        counted = Positions()

    @tf.function(autograph=False)
    def step():
        def one():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            row = tf.cast(place, tf.int32) * tf.ones([1, 4], tf.int32)
            counted.update({"encoder_input_tokens": row})

        two_replicas.run(one)

    step()
    step()
    assert counted.read() == (8.0, 16.0)
    assert counted.read() == (0.0, 0.0)
