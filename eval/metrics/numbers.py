"""Metrics of numbers: correlations."""

from collections.abc import Callable

from scipy import stats

from eval.metrics.answers import Answers
from eval.metrics.labels import is_constant


def pearson(answers: Answers) -> float:
    """Compute Pearson's correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.pearsonr, answers)


def spearman(answers: Answers) -> float:
    """Compute Spearman's rank correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.spearmanr, answers)


def _correlation(function: Callable, answers: Answers) -> float:
    if is_constant(answers.targets) or is_constant(answers.predictions):
        return 0.0
    return float(function(answers.targets, answers.predictions).statistic)
