"""A task's result beside what it is compared with, and how sure its figures are."""

import functools
from dataclasses import dataclass

import numpy as np

from eval.evaluator import TaskResult
from eval.metrics.intervals import (
    Interval,
    bound_of_others,
    make_interval,
    number_units,
    resample_figures,
)
from eval.metrics.registry import find_unjudged, sign_figures
from prep import TaskEntry, TokenTable


@dataclass(frozen=True)
class ScoredTask:
    """A task's result beside what it is compared with.

    Attributes:
        entry: The task.
        table: The examples that were scored.
        result: Figures and predictions.
        baseline: Figures of the trivial answer; None without a training split to take it from.
        whole: The manifest's entry, where `entry` lacks metrics that such answers do not have.
    """

    entry: TaskEntry
    table: TokenTable
    result: TaskResult
    baseline: dict[str, float] | None
    whole: TaskEntry | None = None

    @functools.cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """The figures of resamples, float [resamples] by name; none where answers are unknown."""
        answers = self.result.answers
        if answers is None:
            return {}
        return resample_figures(self.entry.name, self.entry.metrics, answers)

    @functools.cached_property
    def intervals(self) -> dict[str, Interval]:
        """Interval and standard error by figure; none of what resamples do not tell."""
        intervals = {name: make_interval(figures) for name, figures in self.resampled.items()}
        return {name: interval for name, interval in intervals.items() if interval is not None}

    @functools.cached_property
    def unvaried(self) -> dict[str, float]:
        """By figure that no resample changes, the share of others that may be answered otherwise.

        Of answers that are all right, or all wrong, resamples are too; how many other ones may not
        be is bounded by how many there are.
        """
        answers = self.result.answers
        if answers is None:
            return {}
        share = bound_of_others(int(number_units(answers).max()) + 1)
        same = [name for name, one in self.intervals.items() if one.low == one.high]
        return {name: share for name in same if name not in self.unjudged}

    @functools.cached_property
    def signatures(self) -> dict[str, str]:
        """By metric, sacreBLEU's line that tells how it was computed."""
        answers = self.result.answers
        return {} if answers is None else sign_figures(self.entry.metrics, answers)

    @functools.cached_property
    def unjudged(self) -> dict[str, str]:
        """By metric that cannot judge these answers, why."""
        answers = self.result.answers
        return {} if answers is None else find_unjudged(self.entry.metrics, answers)
