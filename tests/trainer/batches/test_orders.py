"""The order of rows: each once an epoch, from the number alone, few shards at a time."""

import zlib

import numpy as np
import pytest

from trainer.batches.orders import BlockOrder, WholeOrder

SHARDS = np.array([5, 8, 3, 8, 0, 7, 8, 6, 8, 4, 9, 8], np.int64)
STARTS = np.cumsum(SHARDS) - SHARDS
ROWS = int(SHARDS.sum())

GOLDEN = [28, 29, 23, 3, 72, 47, 36, 62]


def order_of(window_rows=20, seed=0, name="rte", shards=SHARDS):
    """One whose rows take ten bytes each."""
    return BlockOrder(seed, name, shards, shards * 10, window_rows * 10)


def shard_of(rows):
    return np.searchsorted(STARTS, rows, side="right") - 1


def test_whole_splits_have_the_order_they_always_had():
    expected = np.random.default_rng([7, zlib.crc32(b"rte"), 1]).permutation(50)
    found = WholeOrder(7, "rte", 50).rows_at(np.arange(50, 100))
    np.testing.assert_array_equal(found, expected)
    across = WholeOrder(7, "rte", 50).rows_at(np.arange(45, 60))
    np.testing.assert_array_equal(across[5:], expected[:10])


@pytest.mark.parametrize("window_rows", [1, 9, 20, 33, 1000])
def test_an_epoch_has_each_row_once(window_rows):
    order = order_of(window_rows)
    epochs = [order.rows_at(np.arange(n * ROWS, (n + 1) * ROWS)) for n in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(ROWS))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_row_follows_from_its_number_alone():
    straight = order_of().rows_at(np.arange(3 * ROWS))
    for size in (1, 7, 64):
        order = order_of()
        parts = [np.arange(n, min(n + size, 3 * ROWS)) for n in range(0, 3 * ROWS, size)]
        for part in reversed(parts):
            np.testing.assert_array_equal(order.rows_at(part), straight[part])
    mixed = np.random.default_rng(0).permutation(3 * ROWS)
    np.testing.assert_array_equal(order_of().rows_at(mixed), straight[mixed])


def test_seeds_tasks_and_epochs_have_orders_of_their_own():
    numbers = np.arange(ROWS)
    found = [
        order.rows_at(counters)
        for order, counters in (
            (order_of(), numbers),
            (order_of(seed=1), numbers),
            (order_of(name="sts-b"), numbers),
            (order_of(), numbers + ROWS),
        )
    ]
    assert len({tuple(shard_of(rows)) for rows in found}) == 4


def test_a_window_takes_its_shards_and_no_others():
    order = order_of()
    for epoch in range(2):
        windows, end = order.windows(epoch), 0
        for number, window in enumerate(windows):
            assert window.first == end
            end += int(window.ends[-1])
            rows = order.rows_at(epoch * ROWS + np.arange(window.first, end))
            used = window.shards[SHARDS[window.shards] > 0]
            assert set(shard_of(rows)) == set(used)
            assert int(window.ends[-1]) <= 20
            assert order.window_at(epoch * ROWS + end - 1) == (epoch, number)
            now, soon = order.shards_from(epoch, number)
            assert now == window.shards.tolist()
            is_last = number + 1 == len(windows)
            after = order.windows(epoch + 1)[0] if is_last else windows[number + 1]
            assert soon == after.shards.tolist()
            assert order.shards_from(epoch, number, epoch * ROWS + end) == (now, [])
            assert order.shards_from(epoch, number, epoch * ROWS + end + 1) == (now, soon)
        assert end == ROWS
        assert sorted(np.concatenate([one.shards for one in windows])) == list(range(len(SHARDS)))


def test_rows_of_a_window_are_shuffled_across_its_shards():
    rows = order_of(window_rows=1000).rows_at(np.arange(ROWS))
    first_half = set(shard_of(rows[: ROWS // 2]))
    assert len(first_half) == np.count_nonzero(SHARDS)
    assert np.count_nonzero(np.diff(rows) == 1) < ROWS // 8


def test_the_order_is_what_it_was_when_runs_began():
    """Golden: a run goes on in the order that another version of this file began it in."""
    assert order_of().rows_at(np.array([0, 1, 2, 40, 41, 73, 74, 100])).tolist() == GOLDEN
