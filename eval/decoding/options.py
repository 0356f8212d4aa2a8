"""How answers are decoded: read from a command line before anything heavy is loaded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from prep.errors import UsageError

# Beyond these, float32 has no finite number of logits divided, or of lengths of thousands raised.
_COLDEST, _STEEPEST = 1e-6, 10
EARLY_STOPPING = {"false": False, "true": True, "never": "never"}


@dataclass(frozen=True)
class Beams:
    """Settings of beam search, with the names that transformers' `generate` has for them.

    Attributes:
        beams: K, how many beginnings are kept at each step; 1 is greedy decoding, which ends with
            the first end, as `generate`'s does.
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
        if not -_STEEPEST <= self.length_penalty <= _STEEPEST:
            raise UsageError(
                f"--length-penalty is {self.length_penalty}; expected a number from "
                f"-{_STEEPEST} to {_STEEPEST}"
            )
        if self.early_stopping not in (True, False, "never"):
            raise UsageError(
                f"early stopping is {self.early_stopping!r}; expected True, False or 'never'"
            )

    @property
    def stops_when_full(self) -> bool:
        """Whether a search stops at K finished answers, better ones or not."""
        return self.early_stopping is True or self.beams == 1


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling, with the names that transformers' `generate` has for them.

    Attributes:
        samples: K, how many answers are drawn; the most probable of them is the answer.
        temperature: What logits are divided by: below 1 favours what is probable.
        top_k: Of how many of the most probable tokens one is drawn; 0 for all.
        top_p: Of the fewest tokens whose probabilities add up to it.
        seed: The same answers for the same one.

    Raises:
        UsageError: A setting is out of its range.
    """

    samples: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UsageError(f"--n-best is {self.samples}; expected 1 or more samples")
        if not (isfinite(self.temperature) and self.temperature >= _COLDEST):
            raise UsageError(
                f"--temperature is {self.temperature}; expected {_COLDEST:.6f} or more (without "
                "--sample, --temperature, --top-k and --top-p answers are greedy)"
            )
        if self.top_k < 0:
            raise UsageError(f"--top-k is {self.top_k}; expected 1 or more, or 0 for all tokens")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p is {self.top_p}; expected above 0, and at most 1")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed is {self.seed}; expected 0 to {2**32 - 1}")


@dataclass(frozen=True)
class Limits:
    """What decoded answers may not be, with the names that transformers' `generate` has.

    Attributes:
        min_new_tokens: How many tokens come before the end at the least; 0 for none.
        no_repeat_ngram_size: So many tokens in a row come once in an answer; 0 for any number.

    Raises:
        UsageError: A setting is out of its range.
    """

    min_new_tokens: int = 0
    no_repeat_ngram_size: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 0:
                raise UsageError(f"--{name.replace('_', '-')} is {value}; expected 0 or more")


@dataclass(frozen=True)
class Decoding:
    """How answers are found.

    Attributes:
        beams: How answers are searched for that are decoded; None for greedy or drawn ones.
        sampling: How answers are drawn that are decoded; None for greedy ones or beams.
        limits: What decoded answers may not be.
        restricted: Whether tasks with label words are answered with one of these.
        per_token: Whether label words of several tokens are compared by their log-likelihood per
            token, rather than in all, which favours short ones.
    """

    beams: Beams | None = None
    restricted: bool = True
    per_token: bool = False
    sampling: Sampling | None = None
    limits: Limits = Limits()

    @property
    def answers(self) -> int:
        """How many answers to a text are decoded."""
        if self.sampling is not None:
            return self.sampling.samples
        return 1 if self.beams is None else self.beams.n_best


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


def add_search_options(parser: ArgumentParser) -> None:
    """Add the options of how answers are decoded: beam search, sampling, limits."""
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
    parser.add_argument("--sample", action="store_true", help="draw answers at random")
    parser.add_argument("--temperature", type=float, help="of sampling; by default 1")
    parser.add_argument("--top-k", type=int, help="sample among so many tokens; by default all")
    parser.add_argument(
        "--top-p", type=float, help="sample among the fewest tokens so probable together"
    )
    parser.add_argument("--seed", type=int, help="of sampling; by default 0")
    parser.add_argument(
        "--min-new-tokens",
        type=int,
        default=0,
        metavar="N",
        help="so many come before an answer's end",
    )
    parser.add_argument(
        "--no-repeat-ngram-size",
        type=int,
        default=0,
        metavar="N",
        help="so many in a row come but once",
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
    beams, sampling = _read_beams(given), _read_sampling(given)
    if beams is not None and sampling is not None:
        raise UsageError("--beams searches and --sample draws: give one of them")
    limits = Limits(given.min_new_tokens, given.no_repeat_ngram_size)
    return Decoding(beams, not given.free_answers, given.per_token, sampling, limits)


def _read_beams(given: Namespace) -> Beams | None:
    settings: dict[str, Any] = {
        "length_penalty": given.length_penalty,
        "early_stopping": EARLY_STOPPING.get(given.early_stopping),
    }
    chosen = {name: value for name, value in settings.items() if value is not None}
    if given.beams is None:
        if chosen:
            option = next(iter(chosen)).replace("_", "-")
            raise UsageError(f"--{option} goes with --beams: say how many")
        return None
    return Beams(given.beams, n_best=getattr(given, "n_best", None) or 1, **chosen)


def _read_sampling(given: Namespace) -> Sampling | None:
    settings = {"temperature": given.temperature, "top_k": given.top_k, "top_p": given.top_p}
    chosen: dict[str, Any] = {k: value for k, value in settings.items() if value is not None}
    if not (given.sample or chosen):
        if given.seed is not None:
            raise UsageError("--seed goes with --sample, --temperature, --top-k or --top-p")
        return None
    return Sampling(getattr(given, "n_best", None) or 1, seed=given.seed or 0, **chosen)


def describe_decoding(decoding: Decoding) -> dict[str, Any]:
    """Say how answers are found, for a file of results."""
    search: dict[str, Any] = {"strategy": "greedy"}
    if decoding.beams is not None:
        search = {"strategy": "beams", **asdict(decoding.beams)}
    elif decoding.sampling is not None:
        search = {"strategy": "sampling", **asdict(decoding.sampling)}
    limits = {name: value for name, value in asdict(decoding.limits).items() if value}
    labels = "free" if not decoding.restricted else "restricted"
    per_token = {"per_token": True} if decoding.per_token else {}
    return {**search, **limits, "labels": labels, **per_token}
