"""Shards in memory: within a number of bytes, those used last, the next ones read ahead."""

import threading
import time

import numpy as np
import pytest

from prep import DataError, TokenTable
from prep.dataset.shard_cache import ShardCache

TOKENS = 50


def table_of(number):
    tokens, ends = np.full(TOKENS, number, np.uint16), np.array([0, TOKENS])
    return TokenTable(tokens, ends, tokens, ends, np.zeros(1, np.int32), np.array([number]))


SIZE = table_of(0).nbytes


def cache_of(room, shards=10, threads=1, read=table_of):
    """A cache with room for so many shards, and the numbers that were read."""
    seen = []

    def note(number):
        seen.append(number)
        return read(number)

    return ShardCache(note, [SIZE] * shards, room * SIZE, threads), seen


def wait_until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("nothing was read ahead in five seconds")


def test_what_is_there_is_not_read_again():
    cache, seen = cache_of(room=3)
    for number in (0, 1, 2, 0, 1, 2):
        assert cache.get(number).examples.tolist() == [number]
    assert seen == [0, 1, 2]


def test_what_was_used_longest_ago_makes_room():
    cache, seen = cache_of(room=2)
    for number in (0, 1, 0, 2, 0, 1):
        cache.get(number)
    assert seen == [0, 1, 2, 1]
    assert cache.most_held == 2 * SIZE


def test_what_is_in_use_and_what_comes_next_is_read_ahead_and_no_more():
    cache, seen = cache_of(room=4)
    cache.expect([7, 3], [5, 1])
    wait_until(lambda: len(cache._tables) == 4)
    assert seen == [7, 3, 5, 1]
    cache.get(1)
    cache.expect([5, 1], [2, 4])
    wait_until(lambda: set(cache._tables) == {5, 1, 2, 4})
    assert seen == [7, 3, 5, 1, 2, 4]
    assert cache.most_held == 4 * SIZE


def test_reading_ahead_gives_up_nothing_that_is_in_use():
    cache, seen = cache_of(room=2)
    cache.expect([0, 1], [2, 3])
    wait_until(lambda: not cache._threads)
    assert seen == [0, 1] and set(cache._tables) == {0, 1}
    assert cache.get(2).examples.tolist() == [2]  # what is asked for has room in any case
    assert cache.most_held == 2 * SIZE


def test_a_shard_that_is_being_read_is_waited_for():
    may_end = threading.Event()

    def slowly(number):
        may_end.wait(5)
        return table_of(number)

    cache, seen = cache_of(room=2, read=slowly)
    cache.expect([4], [])
    wait_until(lambda: seen == [4])
    threading.Timer(0.05, may_end.set).start()
    assert cache.get(4).examples.tolist() == [4]
    assert seen == [4]


def test_many_threads_read_each_shard_once():
    cache, seen = cache_of(room=40, shards=40, threads=4)
    cache.expect(list(range(20)), list(range(20, 40)))
    readers = [threading.Thread(target=lambda: [cache.get(n) for n in range(40)]) for _ in "abc"]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    wait_until(lambda: len(cache._tables) == 40)
    assert sorted(seen) == list(range(40))
    assert cache.most_held == 40 * SIZE


def test_what_cannot_be_read_is_told_to_whoever_asks_and_takes_no_memory():
    def fail(number):
        raise DataError(f"shard {number} is corrupt")

    cache, seen = cache_of(room=2, read=fail)
    cache.expect([0], [1])
    wait_until(lambda: not cache._threads)
    with pytest.raises(DataError, match="shard 0 is corrupt"):
        cache.get(0)
    assert seen == [0, 1, 0] and cache._held == 0


def test_a_closed_one_reads_ahead_no_more():
    cache, seen = cache_of(room=4)
    cache.close()
    cache.expect([0, 1], [2])
    assert cache.get(1).examples.tolist() == [1]
    wait_until(lambda: not any(thread.is_alive() for thread in cache._threads))
    assert seen == [1]
