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
