"""What a metric is, and what lets its figure be computed for thousands of resamples at once.

Shape letters: N examples, R resamples, S sums of an example.

A resample draws examples with replacement (Efron 1979), so it is a number of times that each
example counts: `weights` [R, N]. A figure of sums over the examples, be it accuracy or the BLEU of
a corpus, is then one product of matrices, and no text is read again.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from eval.metrics.answers import Answers

# From float [R, N] to the figures [R]; NaN where a resample has nothing to judge.
Resampler = Callable[[np.ndarray], np.ndarray]
Metric = Callable[[Answers], float]


@runtime_checkable
class Resampled(Protocol):
    """A metric that computes the figures of many resamples at once."""

    def resampler(self, answers: Answers) -> Resampler:
        """Prepare what the figures of resamples take."""


@dataclass(frozen=True)
class MeanMetric:
    """A metric that is the mean of one value per example.

    Attributes:
        values: From answers to float [N].
    """

    values: Callable[[Answers], np.ndarray]

    def __call__(self, answers: Answers) -> float:
        """Compute the mean."""
        return float(np.mean(self.values(answers)))

    def resampler(self, answers: Answers) -> Resampler:
        """Prepare the means of resamples."""
        values = np.asarray(self.values(answers), np.float64)
        return lambda weights: divide(weights @ values, weights.sum(1))


@dataclass(frozen=True)
class PreparedMetric:
    """A metric that some library computes, with the resamples' figures beside it.

    Attributes:
        figure: Of the answers as they are.
        prepare: From answers to what computes the figures of resamples; with weights of one it
            gives the figure.
    """

    figure: Metric
    prepare: Callable[[Answers], Resampler]

    def __call__(self, answers: Answers) -> float:
        """Compute the figure."""
        return self.figure(answers)

    def resampler(self, answers: Answers) -> Resampler:
        """Prepare the figures of resamples."""
        return self.prepare(answers)


def averaged(values: Callable[[Answers], np.ndarray]) -> MeanMetric:
    """Make a metric of a function that gives one value per example."""
    return MeanMetric(values)


def prepared(prepare: Callable[[Answers], Resampler]) -> Callable[[Metric], PreparedMetric]:
    """Make a metric of a figure and of what computes it for resamples.

    Args:
        prepare: As `PreparedMetric` has it.

    Returns:
        What decorates the figure's function.
    """
    return functools.partial(PreparedMetric, prepare=prepare)


def of_sums(
    rows: Callable[[Answers], np.ndarray], combine: Callable[[np.ndarray], np.ndarray]
) -> Callable[[Answers], Resampler]:
    """Say what a figure of sums over the examples is made of.

    Args:
        rows: From answers to float [N, S].
        combine: From sums [R, S] to figures [R].

    Returns:
        What `prepared` takes.
    """

    def prepare(answers: Answers) -> Resampler:
        summands = np.asarray(rows(answers), np.float64)
        return lambda weights: combine(weights @ summands)

    return prepare


def divide(above: np.ndarray, below: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Divide where there is something to divide by.

    Args:
        above: Float of any shape.
        below: Of the same.
        otherwise: The result where `below` is 0.

    Returns:
        The quotients.
    """
    quotients = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise, np.float64)
    return np.divide(above, below, out=quotients, where=below != 0)


def count_each(weights: np.ndarray, numbers: np.ndarray, size: int) -> np.ndarray:
    """Count how often each number comes up in every resample.

    Args:
        weights: Float [R, N].
        numbers: Int [N], from 0.
        size: How many numbers there are.

    Returns:
        Float [R, size].
    """
    return np.stack([np.bincount(numbers, row, size) for row in weights])
