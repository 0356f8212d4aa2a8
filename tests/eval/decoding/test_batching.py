import numpy as np
import pytest

from eval.decoding.batching import WORTH_A_PROGRAM, StaticBatches, like_rows, padded_rows


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
    assert [len(rows.places) for rows in batches] == sizes
    assert [rows.length for rows in batches] == [lengths[rows.places[0]] for rows in batches]
    places = np.concatenate([*(rows.places for rows in batches), np.zeros(0, int)])
    assert places.tolist() == list(range(len(lengths)))


def test_the_last_static_batch_is_filled_up():
    assert [rows.tolist() for rows in padded_rows(5, 3)] == [[0, 1, 2], [3, 4, -1]]
    assert list(padded_rows(0, 3)) == []


def widths(static, lengths):
    """How many batches there are of each length; every row is in one, and fits into it."""
    batches = list(static.rows(np.array(lengths, int)))
    assert all(len(rows.places) == static.batch_size for rows in batches)
    places = [place for rows in batches for place in rows.places.tolist() if place >= 0]
    assert places == list(range(len(lengths)))
    for rows in batches:
        assert max(lengths[place] for place in rows.places if place >= 0) <= rows.length
    found = [rows.length for rows in batches]
    return {length: found.count(length) for length in dict.fromkeys(found)}


def test_compiled_programs_have_few_lengths():
    assert StaticBatches(4, 512).lengths == (64, 128, 256, 512)
    assert StaticBatches(4, 200).lengths == (32, 64, 128, 200)
    assert StaticBatches(4, 32).lengths == (32,) and StaticBatches(4, 9).lengths == (9,)


def test_short_rows_get_a_program_where_they_are_worth_one():
    many = 2 * WORTH_A_PROGRAM
    static = StaticBatches(2, 512)
    assert widths(static, [500] * 5 + [60] * many + [10]) == {512: 3, 64: WORTH_A_PROGRAM}
    few = [500] * 5 + [60] * (many - 4)
    assert widths(StaticBatches(2, 512), few) == {512: 17}
    assert widths(static, few) == {512: 3, 64: 14}  # that program is there
    assert widths(StaticBatches(2, 512), [200] * many + [100] * 2) == {256: 17}
    assert widths(StaticBatches(2, 512), [100, 60, 9]) == {512: 2}
    assert widths(static, []) == {}
