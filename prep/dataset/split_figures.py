"""What the manifest tells of a split whose rows are not all in memory."""

from __future__ import annotations

from prep.dataset.entries import SplitEntry
from prep.dataset.length_counts import read_length_counts


class SplitFigures:
    """The figures of a whole split; no shard is read for them.

    Args:
        entry: Of the split.
    """

    def __init__(self, entry: SplitEntry):
        self._entry = entry

    def __len__(self) -> int:
        return self._entry.examples

    @property
    def rows(self) -> int:
        """Rows that training batches take from it: as many as records."""
        return self._entry.records

    @property
    def is_packed(self) -> bool:
        """Whether a row may hold several examples."""
        return self._entry.packing is not None

    @property
    def tokens(self) -> int:
        """Tokens of all inputs and targets."""
        return self._entry.input_tokens + self._entry.target_tokens

    @property
    def input_tokens(self) -> int:
        """Tokens of all inputs."""
        return self._entry.input_tokens

    @property
    def longest(self) -> tuple[int, int]:
        """Tokens of the longest input and of the longest target."""
        return self._entry.longest_input, self._entry.longest_target

    def count_longer(self, input_length: int, target_length: int) -> tuple[int, int] | None:
        """Count the examples that are longer than a batch has room for, as the manifest knows it.

        Args:
            input_length: In tokens.
            target_length: In tokens.

        Returns:
            How many inputs, of choices how many of their texts, and how many targets; None where an
            earlier version counted no lengths.
        """
        inputs = read_length_counts(self._entry.input_lengths)
        targets = read_length_counts(self._entry.target_lengths)
        if inputs is None or targets is None:
            return None
        return inputs.count_longer(input_length), targets.count_longer(target_length)
