"""How many characters a text is away from a right one (Levenshtein 1966)."""

from collections.abc import Sequence

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.metric import averaged

_BLOCK = 1 << 22  # numbers of a block: pairs times characters


@averaged
def edit_distance(answers: Answers) -> np.ndarray:
    """Count characters to insert, delete or replace up to the nearest right answer."""
    return _best(answers)[:, 0]


@averaged
def edit_similarity(answers: Answers) -> np.ndarray:
    """Compute 1 less the edit distance over the longer text's length; 1 where both are empty."""
    return _best(answers)[:, 1]


def _best(answers: Answers) -> np.ndarray:
    """Compare each answer with the right one that fits best: distance and similarity, [N, 2]."""
    found: np.ndarray = answers.keep("edits", _compare_all)
    return found


def _compare_all(answers: Answers) -> np.ndarray:
    rows = np.repeat(np.arange(len(answers.predictions)), [len(one) for one in answers.references])
    rights = [right for one in answers.references for right in one]
    givens = [answers.predictions[row] for row in rows]
    distances = edit_distances(rights, givens)
    longer = np.array([max(map(len, pair)) for pair in zip(rights, givens, strict=True)])
    similarities = 1 - distances / np.maximum(longer, 1)
    best = np.tile([np.inf, 0.0], (len(answers.predictions), 1))
    np.minimum.at(best[:, 0], rows, distances)
    np.maximum.at(best[:, 1], rows, similarities)
    return best


def edit_distances(rights: Sequence[str], givens: Sequence[str]) -> np.ndarray:
    """Compute the edit distance of many pairs of texts at once.

    Args:
        rights: Texts.
        givens: As many.

    Returns:
        Float [pairs], in characters.
    """
    longest = np.array([max(map(len, pair)) for pair in zip(rights, givens, strict=True)])
    distances = np.zeros(len(rights))
    order = np.argsort(longest, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop - start) * (longest[order[stop]] + 1) < _BLOCK:
            stop += 1
        block = order[start:stop]
        distances[block] = _distances(
            [rights[row] for row in block], [givens[row] for row in block]
        )
        start = stop
    return distances


def _distances(rights: Sequence[str], givens: Sequence[str]) -> np.ndarray:
    """Fill the table of Wagner and Fischer 1974, all pairs of a row at once."""
    right, right_lengths = _as_codes(rights)
    given, given_lengths = _as_codes(givens)
    places = np.arange(right.shape[1] + 1)
    line = np.broadcast_to(places, (len(rights), len(places))).astype(np.int32)
    pairs = np.arange(len(rights))
    found = line[pairs, right_lengths].copy()  # of empty answers
    for number in range(given.shape[1]):
        replaced = line[:, :-1] + (right != given[:, number : number + 1])
        upper = line + 1
        upper[:, 1:] = np.minimum(replaced, upper[:, 1:])
        # What is inserted costs 1 each: the least over all places to the left.
        line = np.minimum.accumulate(upper - places, axis=1) + places
        ends = given_lengths == number + 1
        found[ends] = line[ends, right_lengths[ends]]
    return found


def _as_codes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Write texts as code points [texts, longest] and lengths; −1 fills the rest."""
    lengths = np.array([len(text) for text in texts])
    codes = np.full((len(texts), lengths.max(initial=0)), -1, np.int32)
    for row, text in enumerate(texts):
        codes[row, : len(text)] = [ord(letter) for letter in text]
    return codes, lengths
