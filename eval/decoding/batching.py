"""Which rows of a split are answered together, and to what length they are padded.

A program that is compiled for its shapes gets batches of one size, and of few lengths: the run's
input length, its half, its quarter and its eighth. Any other gets batches of rows of like length,
each as long as its longest.

Shape letters: B global batch, S source length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MOST_ROWS = 4  # times a batch's rows, where rows are short
SHARES = (2, 4, 8)  # of the input length; each is a program more to compile
STEP = 32  # positions: shorter lengths than this gain nothing
# Compiling a program takes tens of seconds on a TPU, so one is only made for as many batches.
WORTH_A_PROGRAM = 16


@dataclass(frozen=True)
class Rows:
    """A batch.

    Attributes:
        places: int64 [B], of its rows among all that were given; -1 where there is none.
        length: S, what they are padded to, in tokens.
    """

    places: np.ndarray
    length: int


def padded_rows(examples: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the rows of each batch, the last one filled up with −1.

    Args:
        examples: How many there are.
        batch_size: B.

    Yields:
        int64 [B].
    """
    for first in range(0, examples, batch_size):
        rows = np.arange(first, first + batch_size, dtype=np.int64)
        yield np.where(rows < examples, rows, -1)


def like_rows(lengths: np.ndarray, batch_size: int, input_length: int) -> Iterator[Rows]:
    """Yield batches of rows of like length, of short rows more at a time.

    Args:
        lengths: Of the rows in tokens, the longest first.
        batch_size: B, rows of a batch of the longest inputs.
        input_length: S, their length.

    Yields:
        As many rows as together have B·S positions, but at most `MOST_ROWS`·B.
    """
    first = 0
    while first < len(lengths):
        room = batch_size * input_length // max(int(lengths[first]), 1)
        last = first + min(max(room, batch_size), MOST_ROWS * batch_size)
        places = np.arange(first, min(last, len(lengths)), dtype=np.int64)
        yield Rows(places, int(lengths[first]))
        first = last


class StaticBatches:
    """Batches of one size and of few lengths, for programs that are compiled for their shapes.

    Args:
        batch_size: B, rows of every batch.
        input_length: The largest S.
    """

    def __init__(self, batch_size: int, input_length: int):
        self.batch_size, self.input_length = batch_size, input_length
        shorter = {-(-input_length // share // STEP) * STEP for share in SHARES}
        self.lengths = (*sorted(one for one in shorter if one < input_length), input_length)
        self.used: set[int] = set()

    def rows(self, lengths: np.ndarray) -> Iterator[Rows]:
        """Yield the batches of a split.

        A shorter length than `input_length` is used where `WORTH_A_PROGRAM` batches need no longer
        one, or where its program is there already; the others take the next longer one that is.

        Args:
            lengths: Of the rows in tokens, at most `input_length`, the longest first.

        Yields:
            The batches, in the rows' order; the last is filled up with -1.
        """
        batches = list(padded_rows(len(lengths), self.batch_size))
        needed = np.searchsorted(self.lengths, [lengths[places[0]] for places in batches])
        for index, length in enumerate(self.lengths[:-1]):
            here = needed == index
            if length not in self.used and here.sum() < WORTH_A_PROGRAM:
                needed[here] += 1
        for places, index in zip(batches, needed, strict=True):
            self.used.add(self.lengths[index])
            yield Rows(places, self.lengths[index])
