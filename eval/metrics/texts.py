"""Metrics of texts: BLEU, ROUGE-L, SQuAD's exact match and F1."""

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU

from eval.metrics.answers import Answers
from eval.metrics.tokenizers import make_rouge_tokenizer


def bleu(answers: Answers) -> float:
    """Compute BLEU of the whole corpus, from 0 to 1, with all references (Post 2018, sacreBLEU).

    Words are those of `bleu_words`. Where no right answer has four words, shorter runs of
    words count alone, as a sentence is scored by itself: else right answers would score 0.
    """
    tokenizer, is_short = answers.bleu_words
    scorer = BLEU(tokenize=tokenizer, effective_order=is_short)
    most = max(map(len, answers.references))
    # One stream per reference; a repeated one changes nothing where an example has fewer.
    streams = [
        [right[min(number, len(right) - 1)] for right in answers.references]
        for number in range(most)
    ]
    return float(scorer.corpus_score(list(answers.predictions), streams).score) / 100


def bleu_words(answers: Answers) -> str:
    """Name the words that `bleu` counts: sacreBLEU's tokenizer, and what is unusual about it."""
    tokenizer, is_short = answers.bleu_words
    return f"{tokenizer}, no longer runs than there are" if is_short else tokenizer


def rouge_l(answers: Answers) -> float:
    """Compute the mean F1 of the longest common subsequence of words (Lin 2004).

    Words are those of `rouge_words`: English ones are stemmed, as in rouge-score. A right answer
    without a word ("+", "…") is compared as a whole.
    """
    tokenizer = make_rouge_tokenizer(rouge_words(answers))
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=tokenizer)

    def compare(right: str, given: str) -> float:
        if right == given:  # also where neither has a word
            return 1.0
        return scorer.score(right, given)["rougeL"].fmeasure

    return _mean_of_best(compare, answers)


def rouge_words(answers: Answers) -> str:
    """Name the words that `rouge_l` counts: "rouge-score" or "any-script"."""
    return answers.rouge_words


def squad_em(answers: Answers) -> float:
    """Compute the share of answers equal to a right one but for case, articles and punctuation.

    As SQuAD's own scripts do: that of 2.0 for a task that says what an empty answer means, else
    that of 1.1.
    """
    return _mean_of_best(
        lambda right, given: float(_squad_words(right) == _squad_words(given)),
        _as_squad_2(answers) if answers.no_answer else answers,
    )


def squad_f1(answers: Answers) -> float:
    """Compute the mean F1 of the words that answer and target share (Rajpurkar et al. 2016).

    As SQuAD's own scripts do, which differ where a text has no words but articles: that of 1.1
    gives 0, that of 2.0 (for a task that says what an empty answer means) 1 if both are so.
    """
    if answers.no_answer:
        return _mean_of_best(_word_f1_of_squad_2, _as_squad_2(answers))
    return _mean_of_best(_word_f1, answers)


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
    return 2 * shared / (len(right) + len(given)) if shared else 0.0


def _word_f1_of_squad_2(target: str, prediction: str) -> float:
    if not (_squad_words(target) and _squad_words(prediction)):
        return float(_squad_words(target) == _squad_words(prediction))
    return _word_f1(target, prediction)
