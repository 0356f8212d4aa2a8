"""Runs side by side: means over seeds, and whether a difference is more than chance.

Shape letters: R resamples, S runs of a column.

A paired bootstrap (Koehn 2004): every run is scored on the same resamples of the examples, so that
what is easy for all is so in both. Where a column has several runs, they are drawn with replacement
too, and a difference has to stand out from that between seeds as well.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.metrics.answers import Answers
from eval.metrics.intervals import (
    CONFIDENCE,
    SEED,
    Interval,
    make_interval,
    number_units,
    resample_figures,
)
from eval.metrics.registry import score
from prep import UsageError
from prep.tasks.metrics import LESS_IS_BETTER, OF_PROBABILITIES, resolve_metrics

MEAN = "mean"


@dataclass(frozen=True)
class Cell:
    """What the runs of a column score.

    Attributes:
        figures: One per run.
        resampled: Float [R], of their mean.
    """

    figures: tuple[float, ...]
    resampled: np.ndarray

    @property
    def mean(self) -> float:
        """The mean over the runs."""
        return float(np.mean(self.figures))

    @property
    def deviation(self) -> float | None:
        """The standard deviation over the runs; None of a single one."""
        return float(np.std(self.figures, ddof=1)) if len(self.figures) > 1 else None

    @property
    def interval(self) -> Interval | None:
        """The mean's interval."""
        return make_interval(self.resampled)


@dataclass(frozen=True)
class Difference:
    """One column against another.

    Attributes:
        columns: Their numbers.
        difference: The first one's mean less the second's.
        interval: Of the difference; None where resamples do not tell.
        p_value: Of the bootstrap, two-sided.
        mcnemar: Of classes and single runs: the exact test's p-value; else None.
        only_right: Of these, how many answers are right in the first alone, and in the second.
    """

    columns: tuple[int, int]
    difference: float
    interval: Interval | None
    p_value: float
    mcnemar: float | None = None
    only_right: tuple[int, int] = (0, 0)

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


@dataclass(frozen=True)
class Row:
    """A figure of all columns.

    Attributes:
        task: Its name; `MEAN` for the mean over tasks.
        metric: The figure's name.
        cells: One per column.
        differences: Of every pair of columns.
        winner: The column that is clearly better than every other; None: there is none.
    """

    task: str
    metric: str
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]
    winner: int | None


def compare(
    metrics: Mapping[str, Sequence[str]],
    answers: Mapping[str, Sequence[Answers]],
    columns: Sequence[Sequence[int]],
) -> list[Row]:
    """Compare columns of runs.

    Args:
        metrics: By task, the names of its metrics to compare.
        answers: By task, the answers of each run, on the same examples in the same order.
        columns: Numbers of the runs of each column.

    Returns:
        A row per task and metric; McNemar's test, which is of right answers, stands with accuracy,
        or else with the first metric. At the end the mean over tasks of each one's first metric,
        where there are several tasks.
    """
    rows = []
    main = []
    for task, of_runs in answers.items():
        names = list(resolve_metrics(metrics[task]))
        if any(one.probabilities is None for one in of_runs):
            names = [name for name in names if name not in OF_PROBABILITIES]
        if not names:
            raise UsageError(f"task {task!r}: its metrics need probabilities, which no file has")
        figures = [score(names, one) for one in of_runs]
        resampled = [resample_figures(task, names, one) for one in of_runs]
        for name in names:
            cells = [
                make_cell(
                    number,
                    [figures[run][name] for run in column],
                    np.stack([resampled[run][name] for run in column]),
                )
                for number, column in enumerate(columns)
            ]
            is_of_right = name == ("accuracy" if "accuracy" in names else names[0])
            grouped = [[of_runs[run] for run in column] for column in columns]
            units = len(np.unique(number_units(of_runs[0])))
            rows.append(make_row(task, name, cells, grouped if is_of_right else (), units))
        main.append(next(row for row in rows if row.task == task))
    if len(main) > 1:
        cells = [_mean_cell([row.cells[column] for row in main]) for column in range(len(columns))]
        rows.append(make_row(MEAN, "", cells))
    return rows


def make_cell(column: int, figures: Sequence[float], resampled: np.ndarray) -> Cell:
    """Average the runs of a column, in each resample over runs drawn anew.

    Args:
        column: Its number. Runs are drawn alike for all its tasks, and not as another column's are.
        figures: One per run.
        resampled: Float [S, R].

    Returns:
        The cell.
    """
    runs, resamples = resampled.shape
    drawn = np.random.default_rng([SEED, column]).integers(0, runs, (runs, resamples))
    return Cell(tuple(figures), resampled[drawn, np.arange(resamples)].mean(0))


def make_row(
    task: str,
    metric: str,
    cells: Sequence[Cell],
    answers: Sequence[Sequence[Answers]] = (),
    units: int | None = None,
) -> Row:
    """Test every pair of columns, and find the one that is better than all others.

    Args:
        task: Its name.
        metric: The figure's name.
        cells: One per column.
        answers: Of the runs of each column, for McNemar's test.
        units: How many examples, documents or groups are drawn; None: enough. If all of a few
            differ one way, so do all their resamples, and yet they tell no more than as many
            throws of a coin: no p-value is below 2^(1 − units), and where that is not small
            enough there is no interval.

    Returns:
        The row.
    """
    differences = []
    least_p = 0.0 if units is None else 2.0 ** (1 - units)
    is_enough = least_p <= 1 - CONFIDENCE
    for first, second in itertools.combinations(range(len(cells)), 2):
        apart = cells[first].resampled - cells[second].resampled
        pairs = [answers[first], answers[second]] if answers else []
        mcnemar: tuple[float | None, tuple[int, int]] = (None, (0, 0))
        if pairs and all(len(one) == 1 and one[0].classes for one in pairs):
            mcnemar = mcnemar_test(pairs[0][0].are_right, pairs[1][0].are_right)
        differences.append(
            Difference(
                (first, second),
                cells[first].mean - cells[second].mean,
                make_interval(apart) if is_enough else None,
                max(bootstrap_p_value(apart), least_p),
                *mcnemar,
            )
        )
    sign = -1 if metric in LESS_IS_BETTER else 1
    best = max(range(len(cells)), key=lambda column: sign * cells[column].mean)
    of_best = [difference for difference in differences if best in difference.columns]
    is_one = bool(of_best) and all(difference.is_clear for difference in of_best)
    return Row(task, metric, tuple(cells), tuple(differences), best if is_one else None)


def bootstrap_p_value(differences: np.ndarray) -> float:
    """Compute how often resamples see no difference, or one the other way; both sides.

    Args:
        differences: Float [R]; NaN tells nothing.

    Returns:
        From 2 / (R + 1) to 1 (Davison and Hinkley 1997, 4.2.3: the sample itself counts as one).
    """
    known = differences[np.isfinite(differences)]
    least = min(np.sum(known <= 0), np.sum(known >= 0))
    return float(min(1.0, 2 * (least + 1) / (len(known) + 1)))


def mcnemar_test(first: np.ndarray, second: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Test whether one classifier is right where the other is wrong more often than the reverse.

    Args:
        first: Bool [N], which answers are right.
        second: The same of the other, on the same examples.

    Returns:
        McNemar's exact p-value (1947; the binomial of the pairs that differ), and how many are
        right in the first alone and in the second alone.
    """
    alone = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    p_value = stats.binomtest(alone[0], sum(alone), 0.5).pvalue if sum(alone) else 1.0
    return float(p_value), alone


def _mean_cell(cells: Sequence[Cell]) -> Cell:
    """Average over tasks: run by run, and resample by resample."""
    figures = np.mean([cell.figures for cell in cells], 0)
    return Cell(tuple(map(float, figures)), np.mean([cell.resampled for cell in cells], 0))
