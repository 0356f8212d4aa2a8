"""Metrics of labels, and of whatever is right or wrong as a whole.

Shape letters: N examples, R resamples, K classes of the task.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import (
    PreparedMetric,
    Resampler,
    averaged,
    count_each,
    divide,
    of_sums,
    prepared,
)
from prep import UsageError

_SCORES = ("precision", "recall", "f1")


@averaged
def accuracy(answers: Answers) -> np.ndarray:
    """Tell which answers are right; the metric is their share."""
    return answers.are_right


def _group_rows(answers: Answers) -> np.ndarray:
    """Count each group once, where its first example stands: is it right, and is it one."""
    if answers.groups is None:
        raise UsageError("group_exact_match: the task has no groups, or was built before it had")
    _, first, group_of = np.unique(answers.groups, return_index=True, return_inverse=True)
    rows = np.zeros((len(group_of), 2))
    rows[first, 0] = np.bincount(group_of, ~answers.are_right) == 0
    rows[first, 1] = 1
    return rows


@prepared(of_sums(_group_rows, lambda sums: divide(sums[:, 0], sums[:, 1])))
def group_exact_match(answers: Answers) -> float:
    """Compute the share of groups with every answer right (MultiRC: Khashabi et al. 2018)."""
    right, groups = _group_rows(answers).sum(0)
    return float(right / groups)


def matthews_sums(answers: Answers) -> Resampler:
    """Prepare Matthews's coefficient of resamples (Gorodkin 2004, of several classes)."""
    classes, both = np.unique([answers.targets, answers.predictions], return_inverse=True)
    targets, predictions = both.reshape(2, -1)
    is_right = np.asarray(targets == predictions, np.float64)

    def compute(weights: np.ndarray) -> np.ndarray:
        right = count_each(weights, targets, len(classes))
        given = count_each(weights, predictions, len(classes))
        all_of_them = weights.sum(1)
        above = weights @ is_right * all_of_them - (right * given).sum(1)
        spreads = [all_of_them**2 - (counts**2).sum(1) for counts in (right, given)]
        return divide(above, np.sqrt(spreads[0] * spreads[1]), 0.0)

    return compute


@prepared(matthews_sums)
def matthews(answers: Answers) -> float:
    """Compute Matthews's correlation coefficient; 0.0 when targets or predictions are all the same.

    Args:
        answers: Label indices; −1, unreadable, is a class of its own that is never right (Gorodkin
            2004, for more than two classes), as in T5's evaluation of GLUE.

    Returns:
        From −1 to 1.
    """
    from sklearn.metrics import matthews_corrcoef  # takes half a second

    targets, predictions = answers.targets, answers.predictions
    if is_constant(targets) or is_constant(predictions):
        return 0.0
    with _many_classes():
        return float(matthews_corrcoef(targets, predictions))


def make_label_metrics() -> dict[str, PreparedMetric]:
    """Make precision, recall and F1, each of one class or averaged.

    `f1` and the like are of class 1 in a task of two classes, else `f1_macro`. The averages are
    scikit-learn's over **all** classes of the task: also over those that neither the right nor the
    given answers have, which count 0. Its default leaves those out, and takes "unreadable" for one
    more class; it is the same where every class occurs and every answer can be read. So are
    `f1_score_with_invalid` and `mean_multiclass_f1` of `t5.evaluation.metrics`.

    A resample tells nothing of a class of the split that it does not hold: the class is left out of
    that resample's average, as scikit-learn's default leaves it out, where 0 would draw intervals
    down, below the figure itself. A class that the whole split lacks counts 0 in resamples too.

    An unreadable answer of a two-class task counts as the wrong one of the two in the figures of
    class 1; elsewhere it is a miss of the right class.

    Returns:
        Metrics by name; all from 0 to 1.
    """
    return {
        f"{score}_{average}" if average else score: _label_metric(score, average)
        for score in _SCORES
        for average in ("", "micro", "macro", "weighted")
    }


def find_absent_classes(names: Sequence[str], answers: Answers) -> dict[str, str]:
    """Find the figures of a class that occurs nowhere, which are 0 by scikit-learn's rule.

    Args:
        names: Of metrics; those that `make_label_metrics` has not are passed over.
        answers: Label indices.

    Returns:
        Why, by metric name.
    """
    if not answers.classes:
        return {}
    why = {}
    is_binary = answers.classes == 2
    given = _without_unreadable(answers) if is_binary else answers.predictions
    is_right, is_given = (
        np.isin(np.arange(answers.classes), values) for values in (answers.targets, given)
    )
    absent = int((~is_right & ~is_given).sum())
    for name in names:
        score, _, average = name.partition("_")
        if score not in _SCORES or average not in ("", "macro"):
            continue
        if is_binary and not average:
            if missing := _who_lacks(score, bool(is_right[1]), bool(is_given[1])):
                why[name] = f"{missing} is the second label"
        elif absent:
            verbs = (
                "is no right and no given answer, and counts"
                if absent == 1
                else ("are no right and no given answers, and count")
            )
            why[name] = f"{absent} of {answers.classes} labels {verbs} 0"
    return why


def _who_lacks(score: str, is_right: bool, is_given: bool) -> str:
    """Name the answers without which a class's figure cannot be told; empty: it can."""
    if score == "precision":
        return "" if is_given else "no given answer"
    if score == "recall":
        return "" if is_right else "no right answer"
    return "" if is_right or is_given else "no right answer and no given one"


@contextlib.contextmanager
def _many_classes() -> Iterator[None]:
    """Let scikit-learn not wonder whether classes that are many are numbers of a regression."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")
        yield


def _label_metric(score: str, average: str) -> PreparedMetric:
    def figure(answers: Answers) -> float:
        from sklearn import metrics

        compute: Callable[..., float] = getattr(metrics, f"{score}_score")
        if not average and answers.classes == 2:
            readable = _without_unreadable(answers)
            return float(compute(answers.targets, readable, zero_division=0.0))
        options = {"labels": list(range(answers.classes)), "average": average or "macro"}
        with _many_classes():
            given = answers.targets, answers.predictions
            return float(compute(*given, **options, zero_division=0.0))

    def prepare(answers: Answers) -> Resampler:
        is_binary = not average and answers.classes == 2
        given = _without_unreadable(answers) if is_binary else answers.predictions
        of_class = slice(1, 2) if is_binary else slice(0, answers.classes)
        average_over = _AVERAGES[average or "macro"]
        whole = _count_hits(np.ones((1, len(given))), answers, given)
        is_there = (whole[1] + whole[2])[:, of_class] > 0
        share = is_there.mean() if average_over is _macro else 1.0
        if not is_there.any():
            return lambda weights: np.zeros(len(weights))

        def compute(weights: np.ndarray) -> np.ndarray:
            hits, found, right = (
                counts[:, of_class] for counts in _count_hits(weights, answers, given)
            )
            return share * average_over(score, hits, found, right)

        return compute

    return PreparedMetric(figure, prepare)


def _count_hits(
    weights: np.ndarray, answers: Answers, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count right answers, given and asked for, by class; unreadable ones come last: [R, K + 1]."""
    size = answers.classes + 1
    targets = answers.targets % size  # −1 becomes the last
    predictions = given % size
    hits = np.where(targets == predictions, targets, size - 1)
    return (
        count_each(weights, hits, size),
        count_each(weights, predictions, size),
        count_each(weights, targets, size),
    )


def _compute_score(
    score: str, hits: np.ndarray, given: np.ndarray, right: np.ndarray
) -> np.ndarray:
    below = {"precision": given, "recall": right, "f1": (given + right) / 2}[score]
    return divide(hits, below, 0.0)


def _macro(score: str, hits: np.ndarray, given: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Average over the classes that are there; NaN where none is."""
    is_there = given + right > 0
    return divide(_compute_score(score, hits, given, right).sum(1), is_there.sum(1))


def _micro(score: str, hits: np.ndarray, given: np.ndarray, right: np.ndarray) -> np.ndarray:
    return _compute_score(score, hits.sum(1), given.sum(1), right.sum(1))


def _weighted(score: str, hits: np.ndarray, given: np.ndarray, right: np.ndarray) -> np.ndarray:
    return divide((_compute_score(score, hits, given, right) * right).sum(1), right.sum(1), 0.0)


_AVERAGES = {"macro": _macro, "micro": _micro, "weighted": _weighted}


def _without_unreadable(answers: Answers) -> np.ndarray:
    is_label = np.isin(answers.predictions, (0, 1))
    return np.where(is_label, answers.predictions, 1 - answers.targets)


def is_constant(values: np.ndarray) -> bool:
    """Tell whether all answers are the same."""
    return bool((values == values[0]).all())
