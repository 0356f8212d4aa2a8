"""How answers are decoded: read from a command line before anything heavy is loaded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from prep.errors import UsageError

EARLY_STOPPING = {"false": False, "true": True, "never": "never"}


@dataclass(frozen=True)
class Beams:
    """Settings of beam search, with the names that transformers' `generate` has for them.

    Attributes:
        beams: K, how many beginnings are kept at each step.
        length_penalty: What the length is raised to before the score is divided by it: above 0
            favours long answers, below 0 short ones.
        n_best: How many answers are returned, the best first.
        early_stopping: True stops at K finished answers; False when no running one can be better
            if it ended now; "never" when none can be better at any length.

    Raises:
        UsageError: A setting is out of its range.
    """

    beams: int
    length_penalty: float = 1.0
    n_best: int = 1
    early_stopping: bool | str = False

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UsageError(f"--beams is {self.beams}; expected 1 or more")
        if not 1 <= self.n_best <= self.beams:
            raise UsageError(
                f"--n-best is {self.n_best}; expected 1 to {self.beams}, the number of beams"
            )
        if not isfinite(self.length_penalty):
            raise UsageError(f"--length-penalty is {self.length_penalty}; expected a number")
        if self.early_stopping not in (True, False, "never"):
            raise UsageError(
                f"early stopping is {self.early_stopping!r}; expected True, False or 'never'"
            )


@dataclass(frozen=True)
class Decoding:
    """How answers are found.

    Attributes:
        beams: How answers are searched for that are decoded; None for greedy ones.
        restricted: Whether tasks with label words are answered with one of these.
        per_token: Whether label words of several tokens are compared by their log-likelihood per
            token, rather than in all, which favours short ones.
    """

    beams: Beams | None = None
    restricted: bool = True
    per_token: bool = False


def add_decoding_options(parser: ArgumentParser) -> None:
    """Add the options of decoding to a command line."""
    parser.add_argument(
        "--free-answers",
        action="store_true",
        help="decode tasks with label words too, rather than choose among the words",
    )
    parser.add_argument(
        "--per-token",
        action="store_true",
        help="compare label words of several tokens by their mean score per token",
    )


def add_beam_options(parser: ArgumentParser) -> None:
    """Add the options of beam search to a command line."""
    parser.add_argument(
        "--beams", type=int, help="beam search with so many; by default answers are greedy"
    )
    parser.add_argument(
        "--length-penalty", type=float, help="of beam search; by default 1, 0 for none"
    )
    parser.add_argument(
        "--early-stopping",
        choices=tuple(EARLY_STOPPING),
        help="of beam search, as transformers has it; by default false",
    )


def read_decoding_options(given: Namespace) -> Decoding:
    """Read the options of decoding.

    Args:
        given: The command line, with `n_best` or without.

    Returns:
        The settings.

    Raises:
        UsageError: A setting is out of its range, or goes with another that is not given.
    """
    if given.per_token and given.free_answers:
        raise UsageError("--per-token compares label words, which --free-answers does not")
    return Decoding(_read_beams(given), not given.free_answers, given.per_token)


def _read_beams(given: Namespace) -> Beams | None:
    settings: dict[str, Any] = {
        "length_penalty": given.length_penalty,
        "early_stopping": EARLY_STOPPING.get(given.early_stopping),
        "n_best": getattr(given, "n_best", None),
    }
    chosen = {name: value for name, value in settings.items() if value is not None}
    if given.beams is None:
        chosen.pop("n_best", None)  # of label words, maybe
        if chosen:
            option = next(iter(chosen)).replace("_", "-")
            raise UsageError(f"--{option} goes with --beams: say how many")
        return None
    return Beams(given.beams, **chosen)


def describe_decoding(decoding: Decoding) -> dict[str, Any]:
    """Say how answers are found, for a file of results."""
    beams = decoding.beams
    search = {"strategy": "greedy"} if beams is None else {"strategy": "beams", **asdict(beams)}
    labels = "free" if not decoding.restricted else "restricted"
    return {**search, "labels": labels, **({"per_token": True} if decoding.per_token else {})}
