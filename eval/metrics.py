"""Metrics: functions of targets and predictions, all from 0 (or −1) to 1, and their registry.

Answers come as `eval.answers` reads them: label indices (−1: not a label), numbers, or texts.
Adding a metric takes one function here, one line in `METRICS` and one test.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sacrebleu
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics as sklearn_metrics

from eval.answers import NOT_A_LABEL
from prep import UsageError, nearest


@dataclass(frozen=True)
class Answers:
    """What a metric compares.

    Attributes:
        targets: [examples], the right answers; where there are several, the first.
        predictions: [examples], the given answers.
        classes: label words of the task; 0: free text or numbers.
        references: every right answer of each example, where answers are texts.
        groups: [examples], equal for examples that are scored together; None: no groups.
    """

    targets: np.ndarray
    predictions: np.ndarray
    classes: int = 0
    references: Sequence[Sequence[str]] = ()
    groups: np.ndarray | None = None

    @property
    def are_right(self) -> np.ndarray:
        """Whether each answer is a right one to the last character, as bool [examples]."""
        if not self.references:
            return self.targets == self.predictions
        pairs = zip(self.references, self.predictions, strict=True)
        return np.array([given in right for right, given in pairs])


Metric = Callable[[Answers], float]


def accuracy(answers: Answers) -> float:
    """The share of answers that are right."""
    return float(np.mean(answers.are_right))


def exact_match(answers: Answers) -> float:
    """The share of texts that equal a right answer to the last character."""
    return float(np.mean(answers.are_right))


def group_exact_match(answers: Answers) -> float:
    """The share of groups of which every answer is right (MultiRC: Khashabi et al. 2018)."""
    if answers.groups is None:
        raise UsageError("group_exact_match: the task has no groups, or was built before it had")
    _, group_of = np.unique(answers.groups, return_inverse=True)
    return float(np.mean(np.bincount(group_of, ~answers.are_right) == 0))


def f1(answers: Answers) -> float:
    """F1 of class 1 in a two-class task, else the mean over classes.

    Unreadable answers of a two-class task count as the wrong one of the two, as in T5's evaluation
    of GLUE; with more classes they are a miss of the right class.

    Args:
        answers: label indices, −1 where unreadable.

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
    """Matthews's correlation coefficient; 0.0 when targets or predictions are all the same.

    Args:
        answers: label indices; −1, unreadable, is a class of its own that is never right (Gorodkin
            2004, for more than two classes), as in T5's evaluation of GLUE.

    Returns:
        From −1 to 1.
    """
    targets, predictions = answers.targets, answers.predictions
    if _is_constant(targets) or _is_constant(predictions):
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(targets, predictions))


def pearson(answers: Answers) -> float:
    """Pearson's correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.pearsonr, answers)


def spearman(answers: Answers) -> float:
    """Spearman's rank correlation; 0.0 when targets or predictions are all the same."""
    return _correlation(stats.spearmanr, answers)


def bleu(answers: Answers) -> float:
    """BLEU of the whole corpus, from 0 to 1, with all references (Post 2018, sacreBLEU)."""
    most = max(map(len, answers.references))
    # One stream per reference; a repeated one changes nothing where an example has fewer.
    streams = [
        [right[min(number, len(right) - 1)] for right in answers.references]
        for number in range(most)
    ]
    return float(sacrebleu.corpus_bleu(list(answers.predictions), streams).score) / 100


def rouge_l(answers: Answers) -> float:
    """The mean F1 of the longest common subsequence of words, stemmed (Lin 2004)."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    return _mean_of_best(lambda *pair: scorer.score(*pair)["rougeL"].fmeasure, answers)


def squad_em(answers: Answers) -> float:
    """The share of answers equal to a right one but for case, articles and punctuation."""
    return _mean_of_best(lambda right, given: _squad_words(right) == _squad_words(given), answers)


def squad_f1(answers: Answers) -> float:
    """The mean F1 of the words that answer and target share (Rajpurkar et al. 2016)."""
    return _mean_of_best(_word_f1, answers)


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "exact_match": exact_match,
    "group_exact_match": group_exact_match,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "bleu": bleu,
    "rouge_l": rouge_l,
    "squad_em": squad_em,
    "squad_f1": squad_f1,
}


def score(names: Sequence[str], answers: Answers) -> dict[str, float]:
    """Computes metrics by name.

    Args:
        names: of `METRICS`.
        answers: right and given ones.

    Returns:
        Figures by metric name, in the order of `names`.

    Raises:
        UsageError: an unknown metric, or one that needs groups and has none.
    """
    for name in names:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}; {nearest(name, METRICS)}")
    return {name: METRICS[name](answers) for name in names}


def pair_answers(
    targets: Sequence[Any],
    predictions: Sequence[Any],
    classes: int = 0,
    references: Sequence[Sequence[str]] = (),
    groups: np.ndarray | None = None,
) -> Answers:
    """Puts right and given answers side by side.

    Args:
        targets: the right answers, as `eval.answers.read_answers` reads them.
        predictions: the given answers, in the same order.
        classes: label words of the task, 0 where it has none.
        references: every right answer of each example, for texts; the targets alone by default.
        groups: [examples], equal for examples that are scored together.

    Returns:
        What metrics take.

    Raises:
        ValueError: no examples, or not as many predictions as targets.
    """
    if len(targets) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    if not len(targets):
        raise ValueError("there are no examples to score")
    is_text = isinstance(targets[0], str)
    if is_text and not references:
        references = [(target,) for target in targets]
    # As objects, two texts are equal to the last character: numpy's own drop trailing NULs.
    dtype = object if is_text else None
    right, given = np.asarray(targets, dtype), np.asarray(predictions, dtype)
    return Answers(right, given, classes, references, groups)


def _mean_of_best(compare: Callable[[str, str], float], answers: Answers) -> float:
    """The mean over examples of the right answer that fits best."""
    pairs = zip(answers.references, answers.predictions, strict=True)
    return float(
        np.mean([max(compare(right, given) for right in rights) for rights, given in pairs])
    )


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


def _correlation(function: Callable, answers: Answers) -> float:
    if _is_constant(answers.targets) or _is_constant(answers.predictions):
        return 0.0
    return float(function(answers.targets, answers.predictions).statistic)
