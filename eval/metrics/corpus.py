"""BLEU and chrF by sacreBLEU: figures of a whole corpus, not means over its examples.

Both are functions of counts that add up over the sentences, which is what resamples add up.
"""

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from eval.metrics.answers import Answers
from eval.metrics.metric import Resampler, prepared

_ORDERS = 4  # words in a row that BLEU counts at most (Papineni et al. 2002)


def _bleu_scorer(answers: Answers) -> BLEU:
    tokenizer, is_short = answers.bleu_words
    return BLEU(tokenize=tokenizer, effective_order=is_short)


def _streams(answers: Answers) -> list[list[str]]:
    """Write references as sacreBLEU takes them: one stream per reference.

    A repeated one changes nothing where an example has fewer.
    """
    most = max(map(len, answers.references))
    return [
        [right[min(number, len(right) - 1)] for right in answers.references]
        for number in range(most)
    ]


def _bleu_counts(answers: Answers) -> np.ndarray:
    """Count what BLEU adds up over sentences: right and given runs of words, then both lengths."""
    tokenizer, _ = answers.bleu_words
    scorer = BLEU(tokenize=tokenizer, effective_order=True)
    rows = []
    for rights, given in zip(answers.references, answers.predictions, strict=True):
        found = scorer.sentence_score(given, list(rights))
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    return np.array(rows, np.float64)


def _bleu_of_resamples(answers: Answers) -> Resampler:
    counts: np.ndarray = answers.keep("bleu", _bleu_counts)
    _, is_short = answers.bleu_words

    def compute_one(sums: list[int]) -> float:
        found = BLEU.compute_bleu(
            correct=sums[:_ORDERS],
            total=sums[_ORDERS : 2 * _ORDERS],
            sys_len=sums[-2],
            ref_len=sums[-1],
            smooth_method="exp",
            effective_order=is_short,
        )
        return min(float(found.score) / 100, 1.0)

    # Weights and counts are whole numbers, and so are their sums.
    return lambda weights: np.array(
        [compute_one(sums) for sums in np.rint(weights @ counts).astype(int).tolist()]
    )


@prepared(_bleu_of_resamples)
def bleu(answers: Answers) -> float:
    """Compute BLEU of the whole corpus, from 0 to 1, with all references (Post 2018, sacreBLEU).

    Words are those of `bleu_words`. Where no right answer has four words, shorter runs of
    words count alone, as a sentence is scored by itself: else right answers would score 0.
    """
    found = _bleu_scorer(answers).corpus_score(list(answers.predictions), _streams(answers))
    return min(float(found.score) / 100, 1.0)


def bleu_words(answers: Answers) -> str:
    """Name the words that `bleu` counts: sacreBLEU's tokenizer, and what is unusual about it."""
    tokenizer, is_short = answers.bleu_words
    return f"{tokenizer}, no longer runs than there are" if is_short else tokenizer


def bleu_signature(answers: Answers) -> str:
    """Give the line by which sacreBLEU's users tell how a BLEU was computed."""
    scorer = _bleu_scorer(answers)
    scorer.corpus_score(list(answers.predictions[:1]), [stream[:1] for stream in _streams(answers)])
    return _sign(scorer, answers)


def chrf_signature(answers: Answers) -> str:
    """Give the line by which sacreBLEU's users tell how a chrF was computed."""
    scorer = CHRF()
    scorer.corpus_score(list(answers.predictions[:1]), [stream[:1] for stream in _streams(answers)])
    return _sign(scorer, answers)


def _sign(scorer: BLEU | CHRF, answers: Answers) -> str:
    counts = {len(rights) for rights in answers.references}
    signature = str(scorer.get_signature())
    if len(counts) == 1:
        return signature
    first, _, rest = signature.partition("|")
    return f"{first.partition(':')[0]}:var|{rest}"


def _chrf_counts(answers: Answers) -> np.ndarray:
    """Count what chrF adds up over sentences: by order, the given, the right and the shared runs.

    Of several right answers the best fitting counts, as in sacreBLEU.
    """
    scorer = CHRF()
    streams = _streams(answers)
    # sacreBLEU shows these counts nowhere else; a test holds their figure to its own.
    return np.array(scorer._extract_corpus_statistics(list(answers.predictions), streams), float)


def _chrf_of_resamples(answers: Answers) -> Resampler:
    counts: np.ndarray = answers.keep("chrf", _chrf_counts)
    scorer = CHRF()
    return lambda weights: np.array(
        [min(scorer._compute_f_score(sums) / 100, 1.0) for sums in (weights @ counts).tolist()]
    )


@prepared(_chrf_of_resamples)
def chrf(answers: Answers) -> float:
    """Compute chrF of the whole corpus, from 0 to 1 (Popović 2015, sacreBLEU)."""
    found = CHRF().corpus_score(list(answers.predictions), _streams(answers))
    return min(float(found.score) / 100, 1.0)
