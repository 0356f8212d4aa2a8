"""Exact match and F1 of words, by SQuAD's scripts (which ReCoRD's equal) and by TriviaQA's."""

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import averaged

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_TRIVIA_PUNCTUATION = string.punctuation + "‘’´`"


@averaged
def squad_em(answers: Answers) -> np.ndarray:
    """Tell which answers equal a right one but for case, articles and punctuation.

    The metric is their share. As SQuAD's own scripts do: that of 2.0 for a task that says what an
    empty answer means, else that of 1.1.
    """
    return _best(
        lambda right, given: float(_squad_words(right) == _squad_words(given)),
        _as_squad_2(answers) if answers.no_answer else answers,
    )


@averaged
def squad_f1(answers: Answers) -> np.ndarray:
    """Compute the F1 of the words that answer and target share (Rajpurkar et al. 2016).

    The metric is the mean. As SQuAD's own scripts do, which differ where a text has no words but
    articles: that of 1.1 gives 0, that of 2.0 (for a task that says what an empty answer means) 1
    if both are so.
    """
    if answers.no_answer:
        return _best(_word_f1_of_squad_2, _as_squad_2(answers))
    return _best(_word_f1, answers)


@averaged
def trivia_em(answers: Answers) -> np.ndarray:
    """Tell which answers equal a right one by TriviaQA's words: punctuation is a blank there.

    The metric is their share (Joshi et al. 2017; `trivia_qa` of `t5.evaluation.metrics`).
    """
    return _best(lambda right, given: float(_trivia_words(right) == _trivia_words(given)), answers)


@averaged
def trivia_f1(answers: Answers) -> np.ndarray:
    """Compute the F1 of the words that answer and target share, by TriviaQA's words.

    The metric is the mean (Joshi et al. 2017; `trivia_qa` of `t5.evaluation.metrics`).
    """
    return _best(
        lambda right, given: _shared_f1(_trivia_words(right), _trivia_words(given)), answers
    )


def _as_squad_2(answers: Answers) -> Answers:
    """Write what says that there is no answer as the empty text, which SQuAD 2.0's script takes.

    Then a text that shares a word with it, such as "unanswerable questions", shares nothing. Right
    answers without a word count only where there is no other, as that script has it.
    """
    word = _squad_words(answers.no_answer)

    def blank(text: str) -> str:
        return "" if _squad_words(text) == word else text

    references = [tuple(map(blank, right)) for right in answers.references]
    return replace(
        answers,
        predictions=np.array([blank(text) for text in answers.predictions], object),
        references=[tuple(filter(_squad_words, right)) or ("",) for right in references],
    )


def _best(compare: Callable[[str, str], float], answers: Answers) -> np.ndarray:
    """Compare each answer with the right one that fits best."""
    pairs = zip(answers.references, answers.predictions, strict=True)
    return np.array([max(compare(right, given) for right in rights) for rights, given in pairs])


def _squad_words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return _ARTICLE.sub(" ", kept).split()


def _trivia_words(text: str) -> list[str]:
    kept = "".join(" " if letter in _TRIVIA_PUNCTUATION else letter for letter in text.lower())
    return _ARTICLE.sub(" ", kept).split()


def _word_f1(target: str, prediction: str) -> float:
    return _shared_f1(_squad_words(target), _squad_words(prediction))


def _shared_f1(right: list[str], given: list[str]) -> float:
    shared = (Counter(right) & Counter(given)).total()
    return 2 * shared / (len(right) + len(given)) if shared else 0.0


def _word_f1_of_squad_2(target: str, prediction: str) -> float:
    if not (_squad_words(target) and _squad_words(prediction)):
        return float(_squad_words(target) == _squad_words(prediction))
    return _word_f1(target, prediction)
