import numpy as np
import pytest

from eval.decoding.replicas import like_rows, padded_rows


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([10] * 7, [4, 3]),
        ([10, 10, 8, 8, 5, 5, 5, 5, 5, 5, 5, 5, 5], [4, 8, 1]),
        ([1] * 40, [16, 16, 8]),  # four times a batch at most
        ([0] * 3, [3]),
        ([30, 30, 30, 30, 30], [4, 1]),  # longer than inputs are cut to: still a batch
        ([], []),
    ],
)
def test_short_rows_are_more_at_a_time(lengths, sizes):
    batches = list(like_rows(np.array(lengths, int), 4, 10))
    assert [len(rows) for rows in batches] == sizes
    assert np.concatenate([*batches, np.zeros(0, int)]).tolist() == list(range(len(lengths)))


def test_the_last_static_batch_is_filled_up():
    assert [rows.tolist() for rows in padded_rows(5, 3)] == [[0, 1, 2], [3, 4, -1]]
