"""Which examples share a row."""

import random

import pytest

from prep.tokens.packing import WINDOW, pack_examples, round_up


def check_rows(rows, inputs, targets, input_capacity, target_capacity=None):
    """Every example once, and no row over its limits; returns the rows' target sums."""
    assert sorted(place for row in rows for place in row) == list(range(len(inputs)))
    assert all(row and row == sorted(row) for row in rows)
    sums = [sum(targets[place] for place in row) for row in rows]
    assert max(sum(inputs[place] for place in row) for row in rows) <= input_capacity
    assert target_capacity is None or max(sums) <= target_capacity
    return sums


def share(rows, inputs, input_capacity):
    return sum(inputs) / len(rows) / input_capacity


def bell(generator, mean, spread, smallest, largest, count):
    """Lengths around a mean, as those of most tasks are."""
    return [min(max(round(generator.gauss(mean, spread)), smallest), largest) for _ in range(count)]


def test_by_hand():
    # 6 + 4 and 5 + 5 fill two rows of ten.
    assert pack_examples([5, 6, 4, 5], [1, 1, 1, 1], 10) == [[0, 3], [1, 2]]
    # Of the targets, only two fit together.
    assert pack_examples([2, 2, 2, 2], [4, 4, 4, 4], 10, 8) in (
        [[0, 1], [2, 3]],
        [[0, 2], [1, 3]],
        [[0, 3], [1, 2]],
    )
    assert pack_examples([], [], 10) == []
    assert pack_examples([10], [3], 10) == [[0]]


@pytest.mark.parametrize("seed", range(20))
def test_every_example_has_a_place_and_every_row_its_limits(seed):
    generator = random.Random(seed)
    count, capacity = generator.randrange(1, 400), generator.randrange(5, 200)
    inputs = [generator.randint(1, capacity) for _ in range(count)]
    targets = [generator.randint(1, generator.choice((1, 5, 60))) for _ in range(count)]
    rows = pack_examples(inputs, targets, capacity)
    check_rows(rows, inputs, targets, capacity)
    limit = max(targets) + generator.randrange(10)
    check_rows(pack_examples(inputs, targets, capacity, limit), inputs, targets, capacity, limit)


@pytest.mark.parametrize(
    ("mean", "spread", "capacity", "least"),
    [(15, 6, 256, 0.98), (22, 3, 256, 0.98), (45, 12, 256, 0.97), (45, 12, 512, 0.98)],
)
def test_rows_are_filled(mean, spread, capacity, least):
    inputs = bell(random.Random(1), mean, spread, 6, capacity, 2048)
    rows = pack_examples(inputs, [3] * 2048, capacity)
    assert share(rows, inputs, capacity) >= least


def test_targets_cost_no_row_and_are_spread_evenly():
    generator = random.Random(2)
    inputs = bell(generator, 25, 5, 8, 60, 2048)
    targets = [max(1, length * 2 + generator.randrange(-20, 20)) for length in inputs]
    rows = pack_examples(inputs, targets, 512)
    sums = check_rows(rows, inputs, targets, 512)
    unlimited = pack_examples(inputs, targets, 512, sum(targets))
    assert len(rows) <= len(unlimited)
    assert max(sums) <= 1.12 * sum(targets) / len(rows)
    # Half of what is needed must cost rows.
    halved = round_up(max(sums) // 2)
    assert len(pack_examples(inputs, targets, 512, halved)) > 1.5 * len(rows)


def test_sorted_files_make_rows_as_even_as_shuffled_ones():
    inputs = sorted(bell(random.Random(3), 30, 10, 5, 80, 2000))
    targets = [length // 2 for length in inputs]
    sums = check_rows(pack_examples(inputs, targets, 512), inputs, targets, 512)
    assert max(sums) <= 1.15 * sum(targets) / len(sums)


def test_windows_are_packed_one_by_one():
    inputs = [7, 3] * WINDOW
    targets = [1] * len(inputs)
    rows = pack_examples(inputs, targets, 10)
    check_rows(rows, inputs, targets, 10)
    assert len(rows) == WINDOW
    assert all(row[0] // WINDOW == row[-1] // WINDOW for row in rows)


def test_the_same_lengths_give_the_same_rows():
    inputs = bell(random.Random(4), 30, 10, 5, 80, 500)
    assert pack_examples(inputs, inputs, 128) == pack_examples(tuple(inputs), tuple(inputs), 128)


@pytest.mark.parametrize(("inputs", "targets"), [([11], [1]), ([1], [9])])
def test_what_fits_into_no_row_is_an_error(inputs, targets):
    with pytest.raises(ValueError, match="does not fit into a row of 10 and 8"):
        pack_examples(inputs, targets, 10, 8)


def test_rounding_up():
    assert [round_up(length) for length in (1, 8, 9, 112)] == [8, 8, 16, 112]
