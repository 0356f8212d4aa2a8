"""A split carved out of another, equal rows always together."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from prep.errors import UsageError
from prep.sources.blocks import Block, parse_block, row_keys
from prep.sources.declarations import Carve
from prep.sources.row import Row, RowError
from prep.splits.plan import SplitPlan
from prep.tasks.examples import Example, row_to_examples

_KEY_BYTES = 16


def carve_split(plan: SplitPlan, carve: Carve) -> tuple[SplitPlan, SplitPlan]:
    """Divide a split in two.

    Args:
        plan: The split to divide.
        carve: What to take out of it.

    Returns:
        The new split and the rest.

    Raises:
        UsageError: If one of them would have no rows.
    """
    positions, keys = _keys_of(plan)
    is_new = carve_rows(keys, carve.rows or round(carve.share * len(keys)), carve.seed)
    chosen = np.zeros(count_origin_rows(plan), bool)
    rest = chosen.copy()
    chosen[positions[is_new]] = True
    rest[positions[~is_new]] = True
    made = int(is_new.sum())
    if not made or made == len(keys):
        raise UsageError(
            f"task {plan.task.name!r}: carving {carve.split} out of the {len(keys):,} rows of"
            f" {carve.source} leaves {'nothing in it' if made else f'no {carve.split}'}"
        )
    return (
        SplitPlan(plan.task, carve.split, made, plan.open_blocks, chosen),
        SplitPlan(plan.task, plan.split, len(keys) - made, plan.open_blocks, rest),
    )


def carve_rows(keys: Sequence[bytes], count: int, seed: int) -> np.ndarray:
    """Choose rows by seeded permutation, equal rows always together.

    Args:
        keys: The content of each row.
        count: How many rows to choose; groups of equal rows may make it a few more.
        seed: Of the permutation.

    Returns:
        bool [rows].
    """
    number_of: dict[bytes, int] = {}
    groups = np.array([number_of.setdefault(key, len(number_of)) for key in keys], np.int64)
    order = np.random.default_rng(seed).permutation(len(number_of))
    sizes = np.bincount(groups, minlength=len(order))[order]
    before = np.cumsum(sizes) - sizes
    is_chosen = np.zeros(len(order), bool)
    is_chosen[order] = before < count
    return is_chosen[groups]


def describe_carve(carve: Carve, made: SplitPlan, rest: SplitPlan, file: str) -> str:
    """Tell a reader how a split came to be.

    Args:
        carve: What was asked for.
        made: The new split.
        rest: What is left of the other.
        file: Where the rows lie.

    Returns:
        A note.
    """
    return (
        f"{carve.split} ({made.rows:,} rows) was carved out of {file}, the {carve.source}"
        f" file, by a permutation with seed {carve.seed}; {rest.rows:,} rows are left as"
        f" {carve.source}"
    )


def count_origin_rows(plan: SplitPlan) -> int:
    """Count the rows of the origin that a split is a mask over."""
    return plan.rows if plan.is_member is None else len(plan.is_member)


def _keys_of(plan: SplitPlan) -> tuple[np.ndarray, list[bytes]]:
    """Fingerprint rows by the inputs they become; those that become none by their content."""
    positions = []
    keys = []
    for position, made, content in worded_rows(plan):
        texts = [example.inputs.encode("utf-8", "backslashreplace") for example in made]
        key = b"\0".join(texts) if texts else content
        keys.append(hashlib.blake2b(key, digest_size=_KEY_BYTES).digest())
        positions.append(position)
    return np.array(positions, np.int64), keys


def worded_rows(plan: SplitPlan) -> Iterator[tuple[int, list[Example], bytes]]:
    """Stream the members of a split.

    Args:
        plan: The split.

    Yields:
        Position in the origin, the examples it becomes (none if it cannot be used), raw content.
    """
    make = row_to_examples(plan.task, plan.split)

    def word(row: Row | RowError) -> list[Example]:
        try:
            return make(row)
        except RowError:
            return []

    for block in map(Block.load, plan.open_blocks()):  # read once for both
        rows = zip(parse_block(block), row_keys(block), strict=True)
        for position, (row, content) in enumerate(rows, block.first_index):
            if plan.is_member is None or plan.is_member[position]:
                yield position, word(row), content
