"""Metrics of the probabilities of label words, where answers come with them.

Shape letters: N examples, K classes of the task, R resamples, M bins, U different probabilities.
"""

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import Resampler, averaged, count_each, divide, of_sums, prepared
from prep import UsageError

BINS = 15  # of confidence, as Guo et al. 2017 have it
CHANCE = 0.5  # the area under ROC of a coin
_SUM_TOLERANCE = 1e-3  # of bfloat16's probabilities


def need_probabilities(answers: Answers, metric: str) -> np.ndarray:
    """Give the probabilities of the label words.

    Args:
        answers: With probabilities.
        metric: What needs them, for the message.

    Returns:
        Float64 [N, K]; each example's sum to 1.

    Raises:
        UsageError: There are none, or they are none of the task's classes.
    """
    if answers.probabilities is None:
        raise UsageError(
            f"{metric}: the answers came without probabilities of the label words, which it needs"
        )
    given = np.asarray(answers.probabilities, np.float64)
    expected = (len(answers.targets), answers.classes)
    if given.shape != expected:
        raise UsageError(f"{metric}: expected probabilities of shape {expected}, got {given.shape}")
    sums = given.sum(1, keepdims=True)
    off = ~(np.abs(sums[:, 0] - 1) <= _SUM_TOLERANCE) | (given < 0).any(1)
    if off.any():
        row = int(np.argmax(off))
        raise UsageError(
            f"{metric}: the probabilities of example {row} are {given[row].tolist()}; expected "
            "numbers from 0 that sum to 1"
        )
    probabilities: np.ndarray = given / sums
    return probabilities


@averaged
def log_loss(answers: Answers) -> np.ndarray:
    """Take minus the logarithm of the right word's probability, in nats; the metric is the mean.

    A probability below the least that float64 tells from 0 beside 1 counts as that, as in
    scikit-learn.
    """
    probabilities = need_probabilities(answers, "log_loss")
    least = np.finfo(np.float64).eps
    right = probabilities[np.arange(len(probabilities)), answers.targets]
    return -np.log(np.clip(right, least, 1 - least))


@averaged
def brier(answers: Answers) -> np.ndarray:
    """Add the squared errors of all probabilities of an example; the metric is the mean.

    Of two classes it is half of that (Brier 1950 has the whole, the field the half), so from 0 to
    1; of more, from 0 to 2.
    """
    probabilities = need_probabilities(answers, "brier")
    errors = ((probabilities - np.eye(answers.classes)[answers.targets]) ** 2).sum(1)
    return errors / 2 if answers.classes == 2 else errors


def _calibration_rows(answers: Answers) -> np.ndarray:
    """Say in the bin of each answer how far confidence is from being right; then 1: [N, M + 1]."""
    probabilities = need_probabilities(answers, "calibration_error")
    confidence, given = probabilities.max(1), probabilities.argmax(1)
    # Bins are open below and closed above.
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    rows = np.zeros((len(confidence), BINS + 1))
    rows[np.arange(len(confidence)), bins] = (given == answers.targets) - confidence
    rows[:, BINS] = 1
    return rows


def _calibrate(sums: np.ndarray) -> np.ndarray:
    return divide(np.abs(sums[:, :BINS]).sum(1), sums[:, BINS])


@prepared(of_sums(_calibration_rows, _calibrate))
def calibration_error(answers: Answers) -> float:
    """Compute the expected calibration error (Naeini et al. 2015; 15 bins as Guo et al. 2017)."""
    return float(_calibrate(_calibration_rows(answers).sum(0, keepdims=True))[0])


def _areas(answers: Answers) -> Resampler:
    """Prepare the area under ROC: the share of pairs that are in order, equals counting half."""
    probabilities = need_probabilities(answers, "roc_auc")
    classes = range(1, 2) if answers.classes == 2 else range(answers.classes)
    ranked = []
    for number in classes:
        different, places = np.unique(probabilities[:, number], return_inverse=True)
        ranked.append((len(different), places, answers.targets == number))

    def compute(weights: np.ndarray) -> np.ndarray:
        areas = []
        for size, places, is_class in ranked:
            inside = count_each(weights * is_class, places, size)
            outside = count_each(weights * ~is_class, places, size)
            below = np.cumsum(outside, 1) - outside / 2
            areas.append(divide((inside * below).sum(1), inside.sum(1) * outside.sum(1)))
        known = ~np.isnan(areas)
        return divide(np.where(known, areas, 0.0).sum(0), known.sum(0))

    return compute


@prepared(_areas)
def roc_auc(answers: Answers) -> float:
    """Compute the area under the ROC curve.

    Returns:
        From 0 to 1. Of two classes that of the second word; of more the mean over those that occur,
        each against the others. 0.5 where only one class occurs, as nothing can be told.
    """
    from sklearn.metrics import roc_auc_score  # takes half a second

    probabilities = need_probabilities(answers, "roc_auc")
    occurring = np.unique(answers.targets)
    if len(occurring) < 2:
        return CHANCE
    classes = [1] if answers.classes == 2 else occurring
    return float(
        np.mean(
            [
                roc_auc_score(answers.targets == number, probabilities[:, number])
                for number in classes
            ]
        )
    )
