"""Metrics of labels, and of whatever is right or wrong as a whole."""

import numpy as np
from sklearn import metrics as sklearn_metrics

from eval.metrics.answers import Answers
from eval.metrics.reading import NOT_A_LABEL
from prep import UsageError


def accuracy(answers: Answers) -> float:
    """Compute the share of answers that are right."""
    return float(np.mean(answers.are_right))


def group_exact_match(answers: Answers) -> float:
    """Compute the share of groups with every answer right (MultiRC: Khashabi et al. 2018)."""
    if answers.groups is None:
        raise UsageError("group_exact_match: the task has no groups, or was built before it had")
    _, group_of = np.unique(answers.groups, return_inverse=True)
    return float(np.mean(np.bincount(group_of, ~answers.are_right) == 0))


def f1(answers: Answers) -> float:
    """Compute F1 of class 1 in a two-class task, else the mean over classes.

    Unreadable answers of a two-class task count as the wrong one of the two, as in T5's evaluation
    of GLUE; with more classes they are a miss of the right class.

    Args:
        answers: Label indices, −1 where unreadable.

    Returns:
        From 0 to 1. The mean is over the classes that occur, as scikit-learn takes it.
    """
    targets, predictions = answers.targets, answers.predictions
    if answers.classes == 2:
        readable = _without_unreadable(targets, predictions)
        return float(sklearn_metrics.f1_score(targets, readable, zero_division=0.0))
    occurring = np.setdiff1d(np.union1d(targets, predictions), [NOT_A_LABEL])
    return float(
        sklearn_metrics.f1_score(
            targets, predictions, labels=occurring, average="macro", zero_division=0.0
        )
    )


def matthews(answers: Answers) -> float:
    """Compute Matthews's correlation coefficient; 0.0 when targets or predictions are all the same.

    Args:
        answers: Label indices; −1, unreadable, is a class of its own that is never right (Gorodkin
            2004, for more than two classes), as in T5's evaluation of GLUE.

    Returns:
        From −1 to 1.
    """
    targets, predictions = answers.targets, answers.predictions
    if is_constant(targets) or is_constant(predictions):
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(targets, predictions))


def _without_unreadable(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.where(np.isin(predictions, (0, 1)), predictions, 1 - targets)


def is_constant(values: np.ndarray) -> bool:
    """Tell whether all answers are the same."""
    return bool((values == values[0]).all())
