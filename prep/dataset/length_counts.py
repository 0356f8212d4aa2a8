"""How many examples of a split have how many tokens: a histogram, in a line of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prep.errors import DataError


@dataclass(frozen=True)
class LengthCounts:
    """Texts by their lengths.

    Attributes:
        lengths: int64 [n], in tokens, rising.
        counts: int64 [n], texts of each length.
    """

    lengths: np.ndarray
    counts: np.ndarray

    def tokens_within(self, limit: int) -> int:
        """Count the tokens that are left where longer texts are cut.

        Args:
            limit: Tokens of a text at most.

        Returns:
            Tokens of all texts.
        """
        return int(np.minimum(self.lengths, limit) @ self.counts)

    def count_longer(self, limit: int) -> int:
        """Count the texts of more than so many tokens.

        Args:
            limit: In tokens.

        Returns:
            Texts.
        """
        return int(self.counts[self.lengths > limit].sum())


def write_length_counts(counts: Mapping[int, int]) -> str:
    """Write a histogram as `5:12 6:40`: twelve texts of five tokens, forty of six.

    Args:
        counts: Texts by their lengths.

    Returns:
        One line, lengths rising; empty where there is no text.
    """
    return " ".join(f"{length}:{counts[length]}" for length in sorted(counts))


def read_length_counts(line: str) -> LengthCounts | None:
    """Undo `write_length_counts`.

    Args:
        line: Of the manifest.

    Returns:
        The histogram; None where an earlier version counted nothing.

    Raises:
        DataError: It is no histogram.
    """
    if not line:
        return None
    try:
        pairs = np.array([part.split(":") for part in line.split()], np.int64)
        lengths, counts = pairs.T
    except (ValueError, OverflowError):
        raise DataError(
            f"the manifest has the lengths {line[:40]!r}, expected tokens:examples as in 5:12 6:40"
        ) from None
    return LengthCounts(lengths, counts)
