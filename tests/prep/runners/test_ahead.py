"""Waiting on several items at once."""

import threading

import pytest

from prep.runners.ahead import map_ahead


def test_results_come_in_the_order_of_the_items_which_are_drawn_as_they_are_taken():
    drawn = []
    results = map_ahead(str, (drawn.append(n) or n for n in range(9)), 2)
    assert next(results) == "0"
    assert drawn == [0, 1, 2]
    assert list(results) == list("12345678")


def test_what_was_drawn_before_a_failure_comes_first():
    def items():
        yield from (1, 2)
        raise KeyError("third")

    made = []
    with pytest.raises(KeyError, match="third"):
        made.extend(map_ahead(str, items(), 8))
    assert made == ["1", "2"]


def test_a_failing_call_fails_in_its_turn():
    results = map_ahead(lambda n: 1 / n, [1, 0, 2], 8)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_who_waits_is_told_that_nobody_wants_the_rest():
    given_up = threading.Event()
    results = map_ahead(lambda n: n == 0 or given_up.wait(60), [0, 1, 2], 1, given_up)
    assert next(results) is True
    results.close()
    assert given_up.is_set()
