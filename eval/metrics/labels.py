"""Metrics of labels, and of whatever is right or wrong as a whole."""

import numpy as np
from sklearn import metrics as sklearn_metrics

from eval.metrics.answers import Answers
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
    """Compute F1 of class 1 in a two-class task, else the mean over the classes of the task.

    Both are as T5 evaluates GLUE and SuperGLUE (`t5.evaluation.metrics`: `f1_score_with_invalid`
    and `mean_multiclass_f1`). An unreadable answer of a two-class task counts as the wrong one of
    the two; with more classes it is a miss of the right class.

    Args:
        answers: Label indices, −1 where unreadable.

    Returns:
        From 0 to 1. The mean is over all classes of the task, also those that neither the right
        nor the given answers have, which count 0. scikit-learn's default leaves those out and
        takes "unreadable" for one more class; it is the same where every class occurs and every
        answer can be read.
    """
    targets, predictions = answers.targets, answers.predictions
    if answers.classes == 2:
        readable = _without_unreadable(targets, predictions)
        return float(sklearn_metrics.f1_score(targets, readable, zero_division=0.0))
    classes = list(range(answers.classes))
    return float(
        sklearn_metrics.f1_score(
            targets, predictions, labels=classes, average="macro", zero_division=0.0
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
