"""ROUGE (Lin 2004) by rouge-score: words, pairs of words and longest common subsequences."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import MeanMetric
from eval.metrics.tokenizers import ROUGE_SCORE, make_rouge_tokenizer

ROUGES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL", "rouge_l_sum": "rougeLsum"}
_PARTS = ("precision", "recall", "fmeasure")
_F1 = _PARTS.index("fmeasure")
_UNSTEMMED = "_unstemmed"
# What rouge-score calls each, and whether words are stemmed.
_KINDS = {
    name + ending: (kind, not ending)
    for ending in ("", _UNSTEMMED)
    for name, kind in ROUGES.items()
}


def make_rouge_metrics() -> dict[str, MeanMetric]:
    """Make precision, recall and F1 of each ROUGE; F1 has the bare name.

    Each is the mean over the examples. Words are those of `rouge_words`: English ones are stemmed,
    as most summaries are scored; where the name says `_unstemmed` they are not, as by T5 and
    `evaluate` unless asked to. Of several right answers the one with the best F1 counts. A right
    answer without a word ("+", "…") is compared as a whole. `rouge_l_sum` goes by sentence; they
    end with " . ", as T5 tells them apart (`t5.evaluation.metrics.rouge`), or with the line.

    Returns:
        Metrics by name; all from 0 to 1.
    """
    return {
        name if part == "fmeasure" else f"{name}_{part}": MeanMetric(_values(name, part))
        for name, part in itertools.product(_KINDS, _PARTS)
    }


def rouge_words(answers: Answers, stems: bool = True) -> str:
    """Name the words that ROUGE counts: rouge-score's, with "stemmed" or not, or "any-script"."""
    if answers.rouge_words != ROUGE_SCORE:
        return answers.rouge_words
    return f"{ROUGE_SCORE}, {'stemmed' if stems else 'unstemmed'}"


def _values(name: str, part: str) -> Callable[[Answers], np.ndarray]:
    kind, stems = _KINDS[name]

    def take(answers: Answers) -> np.ndarray:
        of_kind: np.ndarray = answers.keep(name, lambda of: _score_all(of, kind, stems))
        return of_kind[:, _PARTS.index(part)]

    return take


def _score_all(answers: Answers, kind: str, stems: bool) -> np.ndarray:
    """Compute precision, recall and F1 of each answer: float [N, 3]."""
    from rouge_score import rouge_scorer  # loads nltk

    tokenizer = make_rouge_tokenizer(answers.rouge_words, stems)
    scorer = rouge_scorer.RougeScorer([kind], tokenizer=tokenizer)

    def compare(right: str, given: str) -> Sequence[float]:
        if right == given:  # also where neither has a word
            return (1.0, 1.0, 1.0)
        if kind == "rougeLsum":
            right, given = _one_sentence_a_line(right), _one_sentence_a_line(given)
        return tuple(scorer.score(right, given)[kind])

    pairs = zip(answers.references, answers.predictions, strict=True)
    return np.array(
        [
            max((compare(right, given) for right in rights), key=lambda found: found[_F1])
            for rights, given in pairs
        ]
    )


def _one_sentence_a_line(text: str) -> str:
    return text.replace(" . ", " .\n")
