"""Learning from raw text: span corruption and prefix language modelling, on token ids.

Shape letters: L length of a segment.

Span corruption hides 15 % of the tokens in spans of 3 on average; each span is replaced by a
sentinel in the inputs, and the targets say what each sentinel hides (Raffel et al. 2020, section
3.1.4; the spans are drawn as `random_spans_noise_mask` of its code does). Prefix language modelling
shows a text up to a random place and asks for the rest (the same, section 3.2.3). What is drawn
depends on the seed and the row alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from prep.tokens.vocabulary import Vocabulary

OBJECTIVES = ("span_corruption", "prefix_lm")
NOISE_DENSITY = 0.15
MEAN_SPAN = 3.0
SEED = 0
LEAST_TOKENS = 2  # one to show and one to ask for


def make_pairs(
    objective: str,
    ids: Sequence[int],
    row: int,
    vocabulary: Vocabulary,
    max_input_length: int,
    max_target_length: int,
) -> Iterator[tuple[list[int], list[int]]]:
    """Turn the tokens of a row into inputs and targets; a long row gives several pairs.

    Args:
        objective: One of `OBJECTIVES`.
        ids: Token ids without EOS.
        row: Number of the row in its split.
        vocabulary: For the sentinels.
        max_input_length: Tokens, EOS included.
        max_target_length: Tokens, EOS included.

    Yields:
        Inputs and targets, with EOS; nothing is cut. A rest of one token is left out.
    """
    generator = np.random.default_rng((SEED, row))
    is_corruption = objective == "span_corruption"
    longest = (
        longest_corruptible(max_input_length, max_target_length, vocabulary.extra_ids)
        if is_corruption
        else min(max_input_length, max_target_length)
    )
    for start in range(0, len(ids), longest):
        segment = ids[start : start + longest]
        if len(segment) < LEAST_TOKENS:
            return
        if is_corruption:
            inputs, targets = corrupt_spans(segment, vocabulary, generator)
        else:
            place = int(generator.integers(1, len(segment)))
            inputs, targets = list(segment[:place]), list(segment[place:])
        yield [*inputs, Vocabulary.eos_id], [*targets, Vocabulary.eos_id]


def count_noise(length: int) -> tuple[int, int]:
    """Say how much of a segment is hidden.

    Args:
        length: Tokens, at least 2.

    Returns:
        Hidden tokens, and the spans they lie in.
    """
    tokens = min(max(round(length * NOISE_DENSITY), 1), length - 1)
    spans = max(round(tokens / MEAN_SPAN), 1)
    return tokens, min(spans, length - tokens)


def draw_spans(length: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the spans to hide: shown and hidden spans take turns, a shown one is first.

    As in T5, a segment so short that one span is enough therefore always loses its end.

    Args:
        length: Tokens, at least 2.
        generator: The source of chance.

    Returns:
        Where the hidden spans begin and where they end, int64 [spans] each.
    """
    tokens, spans = count_noise(length)
    hidden = _divide(tokens, spans, generator)
    shown = _divide(length - tokens, spans, generator)
    ends = np.cumsum(hidden + shown)
    return ends - hidden, ends


def corrupt_spans(
    ids: Sequence[int], vocabulary: Vocabulary, generator: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Hide spans of tokens.

    Args:
        ids: Token ids [L], at least two.
        vocabulary: For the sentinels.
        generator: The source of chance.

    Returns:
        What is shown, with a sentinel for each span, and each sentinel with what it hides.
    """
    inputs: list[int] = []
    targets: list[int] = []
    shown_from = 0
    for number, (start, end) in enumerate(zip(*draw_spans(len(ids), generator), strict=True)):
        sentinel = vocabulary.sentinel_id(number)
        inputs += [*ids[shown_from:start], sentinel]
        targets += [sentinel, *ids[start:end]]
        shown_from = end
    return inputs, targets


def longest_corruptible(max_input_length: int, max_target_length: int, sentinels: int) -> int:
    """Find how long a segment may be so that neither side has to be cut.

    Args:
        max_input_length: Tokens, EOS included.
        max_target_length: Tokens, EOS included.
        sentinels: How many the vocabulary has.

    Returns:
        Tokens, at least 2: 568 for inputs of 512, as in T5.
    """
    length = LEAST_TOKENS
    while True:
        tokens, spans = count_noise(length + 1)
        if (
            length + 1 - tokens + spans + 1 > max_input_length
            or tokens + spans + 1 > max_target_length
            or spans > sentinels
        ):
            return length
        length += 1


def _divide(total: int, parts: int, generator: np.random.Generator) -> np.ndarray:
    """Divide a number into that many parts of at least 1, every division being as likely."""
    cuts = np.sort(generator.permutation(total - 1)[: parts - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))
