"""The command line's short forms for splits: "validation=train:0.1", "rte/train=500"."""

import re
from collections.abc import Sequence

from prep.errors import UsageError
from prep.sources.declarations import Carve
from prep.splits.selection import CarveRequest, CountRequest, Selection

_CARVE = re.compile(r"(?:(?P<task>[^/=]+)/)?(?P<new>\w+)=(?P<old>\w+):(?P<amount>[\d.]+)")
_COUNT = re.compile(r"(?:(?P<task>[^/=]+)/)?(?P<split>\w+)=(?P<count>\d+)")


def parse_selection(
    carves: Sequence[str], few_shot: Sequence[str], limits: Sequence[str], seed: int
) -> Selection:
    """Read the options that say how splits are made.

    Args:
        carves: Of the form "[TASK/]NEW=OLD:N", N rows or a share below 1.
        few_shot: Of the form "[TASK/]SPLIT=ROWS".
        limits: Of the same form.
        seed: Of every permutation.

    Returns:
        The selection.

    Raises:
        UsageError: If one cannot be read.
    """
    if seed < 0:
        raise UsageError(f"--split-seed is {seed}; it must be >= 0")
    return Selection(
        tuple(_parse_carve(text, seed) for text in carves),
        tuple(_parse_count(text, "--few-shot") for text in few_shot),
        tuple(_parse_count(text, "--limit") for text in limits),
        seed,
    )


def _parse_carve(text: str, seed: int) -> CarveRequest:
    match = _CARVE.fullmatch(text)
    if not match or match["amount"].count(".") > 1 or match["amount"] == ".":
        raise UsageError(f"--carve {text}: expected [TASK/]NEW=OLD:N, as in validation=train:0.1")
    amount = float(match["amount"])
    if match["new"] == match["old"]:
        raise UsageError(f"--carve {text}: a split cannot be carved out of itself")
    if not amount or (amount >= 1 and "." in match["amount"]):
        raise UsageError(
            f"--carve {text}: {match['amount']} is neither rows nor a share below 1 (rows are a"
            " number without a point)"
        )
    rows = int(amount)
    try:
        carve = Carve(match["new"], match["old"], amount if not rows else 0.0, seed, rows)
    except UsageError as error:
        raise UsageError(f"--carve {text}: {error}") from error
    return CarveRequest(carve, match["task"] or "")


def _parse_count(text: str, option: str) -> CountRequest:
    match = _COUNT.fullmatch(text)
    if not match or not int(match["count"]):
        raise UsageError(f"{option} {text}: expected [TASK/]SPLIT=ROWS, as in train=1000")
    return CountRequest(match["split"], int(match["count"]), match["task"] or "")
