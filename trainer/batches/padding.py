"""How many positions of batches hold a token, as the manifest tells it: no token is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from prep.dataset.entries import SplitEntry
from prep.dataset.length_counts import read_length_counts
from trainer.batches.mixture_batches import Lengths, is_for_head, texts_of


class RowTokens(NamedTuple):
    """What is in a row of a task's batches, on average.

    Attributes:
        tokens: Of inputs, of all choices together, and of targets that are looked at.
        positions: There are for them.
        is_exact: Whether it is known; an earlier version's manifest knows no lengths, and then it
            is the most there can be where examples are cut.
    """

    tokens: float
    positions: int
    is_exact: bool


def count_row_tokens(split: SplitEntry, shape: Lengths) -> RowTokens:
    """Count the real tokens of a row.

    Args:
        split: Of the task, as the manifest has it.
        shape: Of its batches.

    Returns:
        The mean over the split's rows: its records.
    """
    texts, is_headed = texts_of(shape), is_for_head(shape)
    positions = shape[0] * texts + shape[1]
    if split.packing is not None:  # no row is cut
        return RowTokens(
            (split.input_tokens + split.target_tokens) / split.records, positions, True
        )
    rows, tokens, is_exact = split.examples, 0, True
    columns = [(split.input_lengths, split.input_tokens, split.longest_input, shape[0], texts)]
    if not is_headed:
        target = (split.target_lengths, split.target_tokens, split.longest_target, shape[1], 1)
        columns.append(target)
    for line, total, longest, limit, each in columns:
        counts = read_length_counts(line)
        is_exact &= counts is not None or longest <= limit
        tokens += counts.tokens_within(limit) if counts else min(total, rows * limit * each)
    return RowTokens(tokens / rows, positions, is_exact)


def real_share(rows: Iterable[tuple[RowTokens, float]]) -> float:
    """Compute the share of positions that hold a token, over the batches of some tasks.

    Args:
        rows: Of each task, and how often its batches come up; not all of them never.

    Returns:
        From 0 to 1.
    """
    pairs = list(rows)
    tokens = sum(one.tokens * share for one, share in pairs)
    return float(tokens / sum(one.positions * share for one, share in pairs))
