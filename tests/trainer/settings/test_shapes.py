"""Few shapes with little padding."""

import numpy as np
import pytest

from trainer.settings.shapes import choose_shapes

NEEDS = {"a": (512, 8), "b": (128, 8), "c": (120, 16), "d": (16, 8), "e": (16, 8)}


def padding(needs, shares, shapes):
    return sum(
        share * (sum(shapes[task]) - sum(need))
        for (task, need), share in zip(needs.items(), shares, strict=True)
    )


def test_where_there_are_enough_each_need_has_its_own():
    assert choose_shapes(NEEDS, [0.2] * 5, 4) == NEEDS


def test_the_nearest_are_joined_first():
    joined = choose_shapes(NEEDS, [0.2] * 5, 3)
    assert joined == {**NEEDS, "b": (128, 16), "c": (128, 16)}
    joined = choose_shapes(NEEDS, [0.2] * 5, 2)
    assert joined == {"a": (512, 8)} | dict.fromkeys("bcde", (128, 16))
    assert choose_shapes(NEEDS, [0.2] * 5, 1) == dict.fromkeys(NEEDS, (512, 16))


def test_tasks_that_seldom_come_up_are_padded_sooner():
    needs = {"a": (100, 1), "b": (60, 1), "c": (10, 1)}
    assert choose_shapes(needs, [0.4, 0.1, 0.5], 2)["b"] == (100, 1)
    assert choose_shapes(needs, [0.1, 0.89, 0.01], 2)["c"] == (60, 1)


def partitions(items, most):
    """Every way to divide items into so many groups at most."""
    if not items:
        yield []
        return
    for groups in partitions(items[1:], most):
        for number in range(len(groups)):
            yield [*groups[:number], [*groups[number], items[0]], *groups[number + 1 :]]
        if len(groups) < most:
            yield [*groups, [items[0]]]


def test_it_is_the_least_there_is_or_near_it():
    """Joining alone found it in 78 of 100 of such mixtures, and was up to 11% above."""
    found = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        needs = {
            str(task): (int(8 * random.integers(1, 65)), int(8 * random.integers(1, 9)))
            for task in range(6)
        }
        shares = dict(zip(needs, random.dirichlet(np.ones(6)), strict=True))
        shapes = choose_shapes(needs, list(shares.values()), 3)
        least = min(
            sum(
                sum(shares[task] for task in group)
                * sum(max(needs[task][axis] for task in group) for axis in (0, 1))
                for group in groups
            )
            for groups in partitions(list(needs), 3)
        )
        found.append(sum(share * sum(shapes[task]) for task, share in shares.items()) / least)
    assert max(found) < 1.05 and np.mean(np.array(found) < 1 + 1e-9) > 0.8


@pytest.mark.parametrize("seed", range(20))
def test_every_shape_holds_its_tasks_and_more_shapes_never_pad_more(seed):
    random = np.random.default_rng(seed)
    needs = {
        str(task): (int(8 * random.integers(1, 65)), int(8 * random.integers(1, 9)))
        for task in range(12)
    }
    shares = list(random.dirichlet(np.ones(12)))
    found = []
    for most in range(1, 13):
        shapes = choose_shapes(needs, shares, most)
        assert len(set(shapes.values())) <= most
        assert all(np.greater_equal(shapes[task], need).all() for task, need in needs.items())
        found.append(padding(needs, shares, shapes))
    assert found == sorted(found, reverse=True) and found[-1] == 0
