"""Metrics of texts: BLEU, ROUGE-L, SQuAD's exact match and F1."""

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sacrebleu
from rouge_score import rouge_scorer

from eval.metrics.answers import Answers


def bleu(answers: Answers) -> float:
    """Compute BLEU of the whole corpus, from 0 to 1, with all references (Post 2018, sacreBLEU)."""
    most = max(map(len, answers.references))
    # One stream per reference; a repeated one changes nothing where an example has fewer.
    streams = [
        [right[min(number, len(right) - 1)] for right in answers.references]
        for number in range(most)
    ]
    return float(sacrebleu.corpus_bleu(list(answers.predictions), streams).score) / 100


def rouge_l(answers: Answers) -> float:
    """Compute the mean F1 of the longest common subsequence of words, stemmed (Lin 2004)."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    return _mean_of_best(lambda *pair: scorer.score(*pair)["rougeL"].fmeasure, answers)


def squad_em(answers: Answers) -> float:
    """Compute the share of answers equal to a right one but for case, articles and punctuation."""
    return _mean_of_best(
        lambda right, given: _squad_words(right) == _squad_words(given), _blank_no_answer(answers)
    )


def squad_f1(answers: Answers) -> float:
    """Compute the mean F1 of the words that answer and target share (Rajpurkar et al. 2016)."""
    return _mean_of_best(_word_f1, _blank_no_answer(answers))


def _blank_no_answer(answers: Answers) -> Answers:
    """Write what says that there is no answer as the empty text, which SQuAD 2.0's script takes.

    Then a text that shares a word with it, such as "unanswerable questions", shares nothing.
    """
    if not answers.no_answer:
        return answers
    word = _squad_words(answers.no_answer)

    def blank(text: str) -> str:
        return "" if _squad_words(text) == word else text

    return replace(
        answers,
        predictions=np.array([blank(text) for text in answers.predictions], object),
        references=[tuple(map(blank, right)) for right in answers.references],
    )


def _mean_of_best(compare: Callable[[str, str], float], answers: Answers) -> float:
    """Average over the examples, each compared with the right answer that fits best."""
    pairs = zip(answers.references, answers.predictions, strict=True)
    return float(
        np.mean([max(compare(right, given) for right in rights) for rights, given in pairs])
    )


def _squad_words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def _word_f1(target: str, prediction: str) -> float:
    right, given = _squad_words(target), _squad_words(prediction)
    shared = (Counter(right) & Counter(given)).total()
    if not right or not given:
        return float(right == given)
    return 2 * shared / (len(right) + len(given))
