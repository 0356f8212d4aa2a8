"""Metrics of numbers: correlations, and how far off the answers are.

An answer that is no number counts as −1 (`eval.metrics.reading`), as in T5's own evaluation.
Shape letters: N examples, R resamples, U different numbers.
"""

from collections.abc import Callable

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.labels import is_constant
from eval.metrics.metric import Resampler, averaged, count_each, divide, of_sums, prepared

_ROUNDING = 1e-12  # a variance that is this small a part of the mean square is none


def _pearson_of_resamples(answers: Answers) -> Resampler:
    pairs = np.stack([answers.targets, answers.predictions]).astype(np.float64)
    right, given = pairs - pairs.mean(1, keepdims=True)
    rows = np.stack([np.ones(len(right)), right, given, right**2, given**2, right * given], 1)
    return lambda weights: correlate(weights @ rows)


def _spearman_of_resamples(answers: Answers) -> Resampler:
    """Prepare rank correlations; among equals, each has the mean of their ranks."""
    ranked = []
    for values in (answers.targets, answers.predictions):
        different, numbers = np.unique(values, return_inverse=True)
        ranked.append((len(different), numbers))

    def compute(weights: np.ndarray) -> np.ndarray:
        ranks = []
        for size, numbers in ranked:
            counts = count_each(weights, numbers, size)
            middle = np.cumsum(counts, 1) - (counts + weights.sum(1, keepdims=True)) / 2
            ranks.append(middle[:, numbers])
        right, given = ranks
        products = (np.ones_like(right), right, given, right**2, given**2, right * given)
        return correlate(np.stack([(weights * one).sum(1) for one in products], 1))

    return compute


def correlate(sums: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlations of sums.

    Args:
        sums: Float [R, 6]: of 1, x, y, x², y² and xy.

    Returns:
        Float [R], from −1 to 1; 0 where all x or all y are the same.
    """
    count, x, y, xx, yy, xy = sums.T
    spread = _spread(count, x, xx) * _spread(count, y, yy)
    return np.clip(divide(count * xy - x * y, np.sqrt(spread), 0.0), -1.0, 1.0)


def _spread(count: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Compute count² times the variance; exactly 0 where only rounding makes it more."""
    spread = count * xx - x**2
    return np.where(spread > _ROUNDING * count * xx, spread, 0.0)


@prepared(_pearson_of_resamples)
def pearson(answers: Answers) -> float:
    """Compute Pearson's correlation; 0.0 when targets or predictions are all the same."""
    from scipy.stats import pearsonr  # takes half a second, as scikit-learn does

    return _correlation(pearsonr, answers)


@prepared(_spearman_of_resamples)
def spearman(answers: Answers) -> float:
    """Compute Spearman's rank correlation; 0.0 when targets or predictions are all the same."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, answers)


def _correlation(function: Callable, answers: Answers) -> float:
    if is_constant(answers.targets) or is_constant(answers.predictions):
        return 0.0
    found = float(function(answers.targets, answers.predictions).statistic)
    return min(max(found, -1.0), 1.0)


@averaged
def mae(answers: Answers) -> np.ndarray:
    """Measure how far off each number is; the metric is the mean."""
    return np.abs(_errors(answers))


@averaged
def mse(answers: Answers) -> np.ndarray:
    """Square how far off each number is; the metric is the mean."""
    return _errors(answers) ** 2


def _squares(answers: Answers) -> np.ndarray:
    return np.stack([_errors(answers) ** 2, np.ones(len(answers.targets))], 1)


@prepared(of_sums(_squares, lambda sums: np.sqrt(divide(sums[:, 0], sums[:, 1]))))
def rmse(answers: Answers) -> float:
    """Compute the root of the mean squared error."""
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(answers.targets, answers.predictions))


def _variances(answers: Answers) -> np.ndarray:
    centred = answers.targets - np.mean(answers.targets)
    return np.stack([np.ones(len(centred)), centred, centred**2, _errors(answers) ** 2], 1)


def _explain(sums: np.ndarray) -> np.ndarray:
    count, x, xx, error = sums.T
    spread = _spread(count, x, xx)
    explained = 1 - divide(count * error, spread)
    return np.where(spread > 0, explained, np.where(error == 0, 1.0, 0.0))


@prepared(of_sums(_variances, _explain))
def r2(answers: Answers) -> float:
    """Compute the coefficient of determination.

    Returns:
        At most 1; below 0 where the mean of the right answers would do better. Where those are all
        the same it is 1 if every answer is right, else 0, as scikit-learn has it.
    """
    from sklearn.metrics import r2_score

    if len(answers.targets) == 1:
        return float(answers.targets[0] == answers.predictions[0])
    return float(r2_score(answers.targets, answers.predictions))


def _errors(answers: Answers) -> np.ndarray:
    return np.asarray(answers.predictions - answers.targets, np.float64)
