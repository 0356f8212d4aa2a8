"""Merging task adapters: each way by hand, and what it refuses."""

import numpy as np
import pytest

from adapters_tf import MERGERS, ConfigurationError, WeightsError, merge_tasks


def merge(rows, how, **options):
    adapters = {f"t{number}": {"w": np.array(row)} for number, row in enumerate(rows)}
    return merge_tasks(adapters, how, **options)["w"].tolist()


def test_the_weighted_mean_by_hand():
    assert merge([[1.0, 2.0], [3.0, -2.0]], "mean") == [2.0, 0.0]
    assert merge([[1.0, 2.0], [3.0, -2.0]], "mean", weights=[3, 1]) == [1.5, 1.0]


def test_ties_by_hand():
    # Half of each is kept: (4, 0, 0, -3), (-1, 0, 0, -5), (2, 0, 1, 0). Signs: +, 0, +, -.
    rows = [[4.0, 1.0, 0.5, -3.0], [-1.0, 0.2, 0.1, -5.0], [2.0, 0.3, 1.0, 0.1]]
    assert merge(rows, "ties", density=0.5) == [3.0, 0.0, 1.0, -4.0]
    # With nearly all the weight on the second, its sign wins the first entry.
    assert merge(rows, "ties", density=0.5, weights=[1, 10, 1])[0] == -1.0


def test_of_equal_entries_ties_keeps_as_many_as_it_should():
    assert merge([[1.0, 1.0, 1.0, 1.0]], "ties", density=0.5) == [1.0, 1.0, 0.0, 0.0]


def test_what_starts_elsewhere_is_merged_as_its_distance():
    start = {"w": np.ones(4)}
    rows = [[1.0, 1.0, 1.5, 3.0], [1.0, 0.0, 1.0, 2.0]]
    # Changes kept: (0, 0, 0, 2), (0, -1, 0, 0): of equal ones the first.
    assert merge(rows, "ties", density=0.25, start=start) == [1.0, 0.0, 1.0, 3.0]


def test_dare_keeps_the_expectation():
    row = np.linspace(-1, 1, 100_000)
    dropped = np.array(merge([row], "dare", density=0.25))
    kept = dropped != 0
    assert abs(kept.mean() - 0.25) < 0.01
    np.testing.assert_allclose(dropped[kept], 4 * row[kept], rtol=1e-6)
    assert merge([row], "dare", density=0.25) == dropped.tolist()
    assert merge([row], "dare", density=0.25, seed=1) != dropped.tolist()
    assert merge([row], "dare", density=1.0) == pytest.approx(row.tolist())


def test_dare_with_ties_takes_those_that_agree():
    rows = [[2.0, -1.0], [4.0, 3.0]]
    assert merge(rows, "dare_ties", density=1.0) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"how": "tie"}, "did you mean 'ties'"),
        ({"adapters": {}}, "no adapters"),
        ({"weights": [1.0]}, "2 adapters need as many weights"),
        ({"weights": [1.0, -1.0]}, "sum above 0"),
        ({"density": 0.0}, "density must be above 0"),
    ],
)
def test_requests_that_cannot_be(change, message):
    adapters = {"a": {"w": np.ones(2)}, "b": {"w": np.ones(2)}}
    with pytest.raises(ConfigurationError, match=message):
        merge_tasks(**({"adapters": adapters} | change))


def test_adapters_that_differ_are_named():
    adapters = {"a": {"w": np.ones(2)}, "b": {"w": np.ones(3)}}
    with pytest.raises(WeightsError, match="'a' and 'b' differ in w"):
        merge_tasks(adapters)


@pytest.mark.parametrize("how", MERGERS)
def test_what_tasks_share_stays_as_it_is(how):
    """Trained layer norms are the same in every task's folder: no change to trim or to drop."""
    norm = np.array([1.02, 0.97, 1.3], np.float32)
    adapters = {
        name: {"norm": norm, "own": np.array([number, 2.0, 3.0], np.float32)}
        for number, name in enumerate("ab")
    }
    start = {"norm": np.ones(3, np.float32)}
    np.testing.assert_array_equal(merge_tasks(adapters, how, start=start)["norm"], norm)
