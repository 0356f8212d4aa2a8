"""Which examples share a row: bin packing in two dimensions, inputs and targets.

Krell et al. 2021 (arXiv 2107.02027) pack by a histogram of lengths. Here a row has two limits, so
rows are filled one after the other, from the examples there are left. Each row

1. begins with the longest input, since the long ones are the hardest to place;
2. goes on with examples in random order, so that every row has about the same mixture, and none
   needs many more target positions than the others;
3. ends with the one input, or the two, that fill it best.

Which lengths there are left is a bit mask, so that looking for one, or for two with a given sum,
takes a few operations on integers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

WINDOW = 4096  # examples packed at a time: bounds the time per example
TARGET_MULTIPLE = 8  # what target lengths are rounded up to, for the device's tiles
_SHORTER_TARGETS_TRIED = 3  # each packs the window again
_SUMS_TRIED = 16  # of two inputs, below the space there is


def pack_examples(
    input_lengths: Sequence[int],
    target_lengths: Sequence[int],
    input_capacity: int,
    target_capacity: int | None = None,
) -> list[list[int]]:
    """Share examples out among rows.

    Args:
        input_lengths: Tokens of each example's inputs, at most `input_capacity`.
        target_lengths: Tokens of each example's targets, at most `target_capacity`.
        input_capacity: Input positions of a row.
        target_capacity: Target positions of a row; None for as few as do not cost a row.

    Returns:
        The examples of each row, rising; the rows of each window in the order of their first
        examples.

    Raises:
        ValueError: If an example does not fit into an empty row.
    """
    rows: list[list[int]] = []
    for first in range(0, len(input_lengths), WINDOW):
        inputs = list(input_lengths[first : first + WINDOW])
        targets = list(target_lengths[first : first + WINDOW])
        packed = (
            _pack_evenly(inputs, targets, input_capacity)
            if target_capacity is None
            else _pack(inputs, targets, input_capacity, target_capacity)
        )
        rows += sorted(sorted(first + place for place in row) for row in packed)
    return rows


def round_up(length: int) -> int:
    """Round a target length up to a multiple of `TARGET_MULTIPLE`.

    Args:
        length: In tokens.

    Returns:
        The same or more.
    """
    return -(-length // TARGET_MULTIPLE) * TARGET_MULTIPLE


def _pack_evenly(inputs: list[int], targets: list[int], input_capacity: int) -> list[list[int]]:
    """Pack into as few rows as the inputs alone need, with targets spread evenly over them."""
    best = _pack(inputs, targets, input_capacity, sum(targets))
    fullest = round_up(max(sum(targets[place] for place in row) for row in best))
    too_few = round_up(max(max(targets), sum(targets) // len(best))) - TARGET_MULTIPLE
    for _ in range(_SHORTER_TARGETS_TRIED):
        middle = round_up((too_few + fullest) // 2)
        if middle >= fullest or middle < max(targets):
            break
        candidate = _pack(inputs, targets, input_capacity, middle)
        if len(candidate) <= len(best):
            best, fullest = candidate, middle
        else:
            too_few = middle
    return best


def _pack(
    inputs: list[int], targets: list[int], input_capacity: int, target_capacity: int
) -> list[list[int]]:
    if max(inputs) > input_capacity or max(targets) > target_capacity:
        raise ValueError(
            f"an example of {max(inputs)} input or {max(targets)} target tokens does not fit into a"
            f" row of {input_capacity} and {target_capacity}"
        )
    pool = _Pool(inputs, targets)
    rows: list[list[int]] = []
    while pool.lengths:
        row: list[int] = []
        input_space, target_space = input_capacity, target_capacity
        place = pool.take_longest(input_space, target_space)
        while place is not None:
            row.append(place)
            input_space -= inputs[place]
            target_space -= targets[place]
            place = pool.take_any(input_space, target_space)
            if place is None:
                place = pool.take_to_fill(input_space, target_space)
        rows.append(row)
    return rows


class _Pool:
    """The examples that have no row yet, in random order and by input length.

    Args:
        inputs: Their input lengths.
        targets: Their target lengths.
    """

    def __init__(self, inputs: list[int], targets: list[int]):
        self._inputs, self._targets = inputs, targets
        # Files are often sorted, and neighbours alike would make uneven rows and uneven batches.
        self._order = np.random.default_rng(0).permutation(len(inputs)).tolist()
        self._is_taken = bytearray(len(inputs))
        self._by_length: dict[int, list[tuple[int, int]]] = {}
        for place, length in enumerate(inputs):
            self._by_length.setdefault(length, []).append((targets[place], place))
        self.lengths = 0  # bit n is set while there is an example of n input tokens
        self._mirrored = 0  # the same backwards: bit width - n
        self._width = max(inputs)
        for length, examples in self._by_length.items():
            examples.sort()
            self._flip(length)

    def take_any(self, input_space: int, target_space: int) -> int | None:
        """Take the next in random order, as long as there is room for it and any other."""
        if input_space < 2 * (self.lengths.bit_length() - 1):
            return None
        while self._order and self._is_taken[self._order[-1]]:
            self._order.pop()
        if not self._order or self._targets[self._order[-1]] > target_space:
            return None
        place = self._order[-1]
        length = self._inputs[place]
        key = (self._targets[place], place)
        return self._take(length, bisect_left(self._by_length[length], key))

    def take_to_fill(self, input_space: int, target_space: int) -> int | None:
        """Take the longest input that fits, or the longer of two that fill the row better."""
        longest = (self.lengths & ((2 << input_space) - 1)).bit_length() - 1
        for total in range(input_space, max(longest, input_space - _SUMS_TRIED), -1):
            pairs = self._pairs(total)
            if pairs:
                place = self._take_fitting(pairs.bit_length() - 1, target_space)
                if place is not None:
                    return place
        return self.take_longest(input_space, target_space)

    def take_longest(self, input_space: int, target_space: int) -> int | None:
        """Take the longest input that fits, and of those the one with the longest target."""
        fitting = self.lengths & ((2 << input_space) - 1)
        while fitting:
            length = fitting.bit_length() - 1
            place = self._take_fitting(length, target_space)
            if place is not None:
                return place
            fitting ^= 1 << length
        return None

    def _pairs(self, total: int) -> int:
        """Find the lengths, as bits, that sum up to `total` with another example's."""
        shift = self._width - total
        pairs = self.lengths & (self._mirrored >> shift if shift >= 0 else self._mirrored << -shift)
        half = total // 2
        if total % 2 == 0 and pairs >> half & 1 and len(self._by_length[half]) == 1:
            pairs ^= 1 << half
        return pairs

    def _take_fitting(self, length: int, target_space: int) -> int | None:
        number = bisect_right(self._by_length[length], (target_space, len(self._inputs)))
        return self._take(length, number - 1) if number else None

    def _take(self, length: int, number: int) -> int:
        examples = self._by_length[length]
        _, place = examples.pop(number)
        if not examples:
            self._flip(length)
        self._is_taken[place] = True
        return place

    def _flip(self, length: int) -> None:
        self.lengths ^= 1 << length
        self._mirrored ^= 1 << (self._width - length)
