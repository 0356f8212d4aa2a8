"""Token ids as the encoder takes them, against what `prep` does in Python."""

import numpy as np
import pytest
import tensorflow as tf

from eval.serving.inputs import pad_rows, split_rows, truncate_rows
from prep.tokens.truncation import TRUNCATIONS, split_choices, truncate

MARKER = 900
ROWS = [[], [7], [7, 8], list(range(10, 15)), list(range(10, 16)), list(range(10, 40))]


@pytest.mark.parametrize("length", [2, 3, 5, 6, 7, 31])
def test_rows_of_tasks_with_limits_of_their_own_are_cut_as_in_a_dataset(length):
    rows = ROWS * len(TRUNCATIONS)
    keep = np.repeat(np.arange(len(TRUNCATIONS), dtype=np.int32), len(ROWS))
    lengths = np.full(len(rows), length, np.int32)
    lengths[::4] += 1
    found = truncate_rows(tf.ragged.constant(rows, tf.int32), lengths, keep, MARKER).to_list()
    for row, most, way, ids in zip(rows, lengths.tolist(), keep.tolist(), found, strict=True):
        expected = list(row)
        truncate([expected], most, 1, TRUNCATIONS[way], MARKER)
        assert ids == expected, (row, most, TRUNCATIONS[way])


def test_texts_of_choices_are_taken_apart_at_every_eos():
    rows = [[5, 1, 6, 7], [1], [], [5], [5, 1, 1, 6]]
    found = split_rows(tf.ragged.constant(rows, tf.int32)).to_list()
    assert found == [split_choices([*row, 1], 1) for row in rows]
    assert found[0] == [[5], [6, 7]] and found[4] == [[5], [], [6]]


def test_rows_are_padded_to_the_longest_and_cut_before_their_eos():
    rows = tf.ragged.constant([[5, 6, 7, 8, 1], [5, 1], [5, 6, 7, 1]], tf.int32)
    assert pad_rows(rows, 4).numpy().tolist() == [[5, 6, 7, 1], [5, 1, 0, 0], [5, 6, 7, 1]]
    assert pad_rows(rows, 9).numpy().tolist()[1] == [5, 1, 0, 0, 0]
