"""What a score is worth: the figures of answering without looking at the input."""

from collections import Counter

import numpy as np

from eval.metrics.answers import gather_answers, target_texts
from eval.metrics.reading import read_answers
from eval.metrics.registry import score
from prep import TaskEntry, TokenTable, Vocabulary


def trivial_answer(entry: TaskEntry, training: TokenTable, vocabulary: Vocabulary) -> str:
    """Find the one answer that does best on the training split without looking at an input.

    Args:
        entry: The task.
        training: Its training split.
        vocabulary: Of the dataset.

    Returns:
        The mean for a regression, else the most frequent target (the first among equals).

    Raises:
        ValueError: The training split is empty.
    """
    texts = target_texts(entry, training, vocabulary)
    if not texts:
        raise ValueError(f"task {entry.name!r}: the training split is empty")
    if entry.kind == "regression":
        return repr(sum(read_answers(entry, texts, vocabulary)) / len(texts))
    return Counter(texts).most_common(1)[0][0]


def trivial_baseline(
    entry: TaskEntry, training: TokenTable, evaluation: TokenTable, vocabulary: Vocabulary
) -> dict[str, float]:
    """Score the trivial answer with the task's own metrics.

    Its probabilities of label words are their shares of the training split.

    Args:
        entry: The task.
        training: Its training split.
        evaluation: The split to score on.
        vocabulary: Of the dataset.

    Returns:
        Figures by metric name.
    """
    answer = trivial_answer(entry, training, vocabulary)
    targets = target_texts(entry, evaluation, vocabulary)
    shares = None
    if entry.label_words:
        counts = np.bincount(training.labels, minlength=len(entry.label_words))
        shares = np.tile(counts / counts.sum(), (len(targets), 1))
    given = [answer] * len(targets)
    answers = gather_answers(entry, evaluation, targets, given, vocabulary, shares)
    return score(entry.metrics, answers)
