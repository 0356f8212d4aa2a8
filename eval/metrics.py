"""Metrics: functions of targets and predictions, all from 0 (or −1) to 1, and their registry.

Answers come as `eval.answers` reads them: label indices (−1: not a label), numbers, or texts.
Adding a metric takes one function here, one line in `METRICS` and one test.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sacrebleu
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics as sklearn_metrics

from eval.answers import NOT_A_LABEL
from prep import UsageError, nearest

# Targets, predictions, and how many label words the task has (0: free text or numbers).
Metric = Callable[[np.ndarray, np.ndarray, int], float]


def accuracy(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """The share of answers that are right."""
    return float(np.mean(targets == predictions))


def exact_match(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """The share of texts that equal their target to the last character."""
    return float(np.mean(targets == predictions))


def f1(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """F1 of class 1 in a two-class task, else the mean over classes.

    Unreadable answers of a two-class task count as the wrong one of the two, as in T5's evaluation
    of GLUE; with more classes they are a miss of the right class.

    Args:
        targets: int [examples], label indices.
        predictions: int [examples], label indices, −1 where unreadable.
        classes: label words of the task.

    Returns:
        From 0 to 1. The mean is over the classes that occur, as scikit-learn takes it.
    """
    if classes == 2:
        answers = _without_unreadable(targets, predictions)
        return float(sklearn_metrics.f1_score(targets, answers, zero_division=0.0))
    occurring = np.setdiff1d(np.union1d(targets, predictions), [NOT_A_LABEL])
    return float(
        sklearn_metrics.f1_score(
            targets, predictions, labels=occurring, average="macro", zero_division=0.0
        )
    )


def matthews(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """Matthews's correlation coefficient; 0.0 when targets or predictions are all the same.

    Args:
        targets: int [examples], label indices.
        predictions: int [examples], label indices; −1, unreadable, counts as in `f1`.
        classes: label words of the task.

    Returns:
        From −1 to 1.
    """
    if classes == 2:
        predictions = _without_unreadable(targets, predictions)
    if _is_constant(targets) or _is_constant(predictions):
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(targets, predictions))


def pearson(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """Pearson's correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.pearsonr, targets, predictions)


def spearman(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """Spearman's rank correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.spearmanr, targets, predictions)


def bleu(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """BLEU of the whole corpus, one reference each, from 0 to 1 (Post 2018, sacreBLEU)."""
    return float(sacrebleu.corpus_bleu(list(predictions), [list(targets)]).score) / 100


def rouge_l(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """The mean F1 of the longest common subsequence of words, stemmed (Lin 2004)."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    pairs = zip(targets, predictions, strict=True)
    return float(np.mean([scorer.score(*pair)["rougeL"].fmeasure for pair in pairs]))


def squad_em(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """The share of answers equal to their target but for case, articles and punctuation."""
    pairs = zip(targets, predictions, strict=True)
    return float(np.mean([_squad_words(right) == _squad_words(given) for right, given in pairs]))


def squad_f1(targets: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """The mean F1 of the words that answer and target share (Rajpurkar et al. 2016)."""
    pairs = zip(targets, predictions, strict=True)
    return float(np.mean([_word_f1(right, given) for right, given in pairs]))


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "exact_match": exact_match,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "bleu": bleu,
    "rouge_l": rouge_l,
    "squad_em": squad_em,
    "squad_f1": squad_f1,
}


def score(
    names: Sequence[str], targets: Sequence[Any], predictions: Sequence[Any], classes: int = 0
) -> dict[str, float]:
    """Computes metrics by name.

    Args:
        names: of `METRICS`.
        targets: the right answers, as `eval.answers.read_answers` reads them.
        predictions: the given answers, in the same order.
        classes: label words of the task, 0 where it has none.

    Returns:
        Figures by metric name, in the order of `names`.

    Raises:
        UsageError: an unknown metric.
        ValueError: no examples, or not as many predictions as targets.
    """
    if len(targets) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    if not len(targets):
        raise ValueError("there are no examples to score")
    for name in names:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}; {nearest(name, METRICS)}")
    # As objects, two texts are equal to the last character: numpy's own drop trailing NULs.
    dtype = object if isinstance(targets[0], str) else None
    given, right = np.asarray(predictions, dtype), np.asarray(targets, dtype)
    return {name: METRICS[name](right, given, classes) for name in names}


def _without_unreadable(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.where(np.isin(predictions, (0, 1)), predictions, 1 - targets)


def _squad_words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def _word_f1(target: str, prediction: str) -> float:
    right, given = _squad_words(target), _squad_words(prediction)
    shared = (Counter(right) & Counter(given)).total()
    if not right or not given:
        return float(right == given)
    return 2 * shared / (len(right) + len(given))


def _is_constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _correlation(function: Callable, targets: np.ndarray, predictions: np.ndarray) -> float:
    if _is_constant(targets) or _is_constant(predictions):
        return 0.0
    return float(function(targets, predictions).statistic)
