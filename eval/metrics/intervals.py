"""How sure a figure is: the bootstrap's standard error and interval (Efron and Tibshirani 1993).

Shape letters: N examples, R resamples, U units that are drawn.

Examples are drawn with replacement; where a task says which document they are about, or which of
them are scored together, whole documents or groups are, since these stand and fall together. Draws
depend on the task's name, the seed and the number of units alone: two runs on the same examples are
compared draw by draw, and figures of two tasks vary independently.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import Metric, Resampled, Resampler
from eval.metrics.registry import METRICS, list_figures

RESAMPLES = 1000
SEED = 0
CONFIDENCE = 0.95
_BLOCK = 1 << 22  # weights that are held at once


@dataclass(frozen=True)
class Interval:
    """Where a figure would be with other examples of the same kind.

    Attributes:
        low: The 2.5th percentile of the resamples' figures.
        high: The 97.5th.
        standard_error: Their standard deviation.
    """

    low: float
    high: float
    standard_error: float


def resample_figures(
    task: str,
    names: Sequence[str],
    answers: Answers,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, np.ndarray]:
    """Compute the figures of resamples.

    Args:
        task: Its name, which the draws depend on.
        names: Of metrics.
        answers: Right and given ones.
        resamples: How many to draw.
        seed: Of the draws.

    Returns:
        Float [R] by name of the figure, as `score` names them; NaN where a resample has nothing
        to judge.
    """
    figures = list_figures(names, answers)
    metrics = {metric: METRICS[metric] for _, metric, _ in figures}
    prepared = {name: prepare_resampler(metric, answers) for name, metric in metrics.items()}
    blocks: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in figures}
    for weights in draw_weights(task, answers, resamples, seed):
        for name, metric, part in figures:
            blocks[name].append(prepared[metric](weights if part is None else weights * part))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def draw_weights(task: str, answers: Answers, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw how often each example counts in each resample.

    Args:
        task: Its name.
        answers: Whose examples, documents or groups are drawn.
        resamples: How many.
        seed: Of the draws.

    Yields:
        Float [some, N], together [R, N].
    """
    unit_of = number_units(answers)
    units, examples = int(unit_of.max()) + 1, len(unit_of)
    generator = np.random.default_rng([seed, zlib.crc32(task.encode())])
    some = max(1, _BLOCK // examples)
    for start in range(0, resamples, some):
        draws = (
            np.bincount(generator.integers(0, units, units), minlength=units)
            for _ in range(min(some, resamples - start))
        )
        yield np.stack([counts[unit_of] for counts in draws]).astype(np.float64)


def number_units(answers: Answers) -> np.ndarray:
    """Give numbers to what is drawn: documents where there are some, else groups, else examples.

    Args:
        answers: Of which.

    Returns:
        Int [N], from 0.
    """
    drawn = answers.groups if answers.documents is None else answers.documents
    if drawn is None:
        return np.arange(len(answers.predictions))
    units: np.ndarray = np.unique(drawn, return_inverse=True)[1]
    return units


def prepare_resampler(metric: Metric, answers: Answers) -> Resampler:
    """Prepare what computes a metric's figures of resamples.

    Args:
        metric: One that knows nothing of resamples is computed on each as if it were a split.
        answers: Right and given ones.

    Returns:
        From weights [R, N] to figures [R].
    """
    if isinstance(metric, Resampled):
        return metric.resampler(answers)

    def compute(weights: np.ndarray) -> np.ndarray:
        examples = np.arange(weights.shape[1])
        drawn = (np.repeat(examples, row.astype(int)) for row in weights)
        return np.array([metric(answers.take(rows)) if len(rows) else np.nan for rows in drawn])

    return compute


def bound_of_others(units: int) -> float:
    """Bound the share of others that may do what none of some does, at 95 %.

    Args:
        units: How many there are, all alike.

    Returns:
        The upper end of Clopper and Pearson's interval of no success (1934), about 3.7 / units.
    """
    return float(1 - ((1 - CONFIDENCE) / 2) ** (1 / units))


def tell_unvaried(names: Iterable[str], share: float) -> str:
    """Tell why an interval has no width, and what it should have had.

    Args:
        names: Of the figures that every resample has alike.
        share: Of others that may be answered otherwise, as `bound_of_others` has it.

    Returns:
        A clause.
    """
    return (
        f"no resample changes {', '.join(names)}: its interval tells nothing; of other examples up"
        f" to {share:.1%} may be answered otherwise"
    )


def make_interval(figures: np.ndarray) -> Interval | None:
    """Make the interval of a figure.

    Args:
        figures: Float [R], of resamples; those that are NaN tell nothing.

    Returns:
        The interval; None where fewer than two resamples tell something.
    """
    known = figures[np.isfinite(figures)]
    if len(known) < 2:
        return None
    ends = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(ends[0]), float(ends[1]), float(known.std(ddof=1)))
