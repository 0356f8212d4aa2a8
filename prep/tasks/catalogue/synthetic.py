"""Three small tasks made from sentences that code generates: one of each kind besides generation.

They need no file, are balanced by construction, and can only be solved by comparing two parts of
the text, so a constant answer stays at chance while a model that learns them nears perfection.
"""

import itertools
import random
from collections.abc import Callable, Collection, Sequence

from prep.sources.declarations import GeneratedSource
from prep.sources.row import Row
from prep.tasks.task import Task

SPLIT_SIZES = {"train": 6_000, "validation": 500, "test": 500}
_NOTE = "generated sentences; no two rows of the task are equal"

_ENTAILMENT_LABELS = ("entailment", "contradiction", "neutral")

# Sentences have one word of each slot, in this order; similarity counts what agreement is worth,
# together 5, and choice asks for the name of a slot.
_SLOTS = (
    ("person", 2.0, ("ann", "bob", "eve", "tom", "zoe")),
    ("action", 1.2, ("sees", "buys", "paints", "hides", "sells")),
    ("colour", 0.8, ("red", "blue", "green", "black", "white")),
    ("thing", 0.6, ("cup", "hat", "box", "lamp", "chair")),
    ("place", 0.4, ("here", "there", "outside", "upstairs", "nearby")),
)
_LETTERS = ("A", "B", "C", "D", "E")
_OPPOSITES = (
    ("big", "small"),
    ("old", "young"),
    ("loud", "quiet"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("near", "far"),
)


def _distinct_rows(draw: Callable[[random.Random, int], Row], seed: int) -> dict[str, list[Row]]:
    """Draw rows until every split is full, no row twice, the answers taking turns."""
    generator = random.Random(seed)
    rows: dict[tuple, Row] = {}
    while len(rows) < sum(SPLIT_SIZES.values()):
        row = draw(generator, len(rows))
        rows.setdefault(tuple(row.items()), row)
    stream = iter(rows.values())
    return {split: list(itertools.islice(stream, size)) for split, size in SPLIT_SIZES.items()}


def _other(generator: random.Random, words: Sequence[str], word: str) -> str:
    return generator.choice([other for other in words if other != word])


def draw_entailment(generator: random.Random, turn: int) -> Row:
    """Draw a premise and a hypothesis that says the same quality, the opposite, or another.

    Args:
        generator: The source of chance.
        turn: Number of the row; labels take turns.

    Returns:
        A row with "premise", "hypothesis" and "label".
    """
    person, action, _, thing, place = (generator.choice(words) for _, _, words in _SLOTS)
    pair = generator.choice(_OPPOSITES)
    said = generator.choice(pair)
    label = _ENTAILMENT_LABELS[turn % len(_ENTAILMENT_LABELS)]
    claimed = {
        "entailment": said,
        "contradiction": _other(generator, pair, said),
        "neutral": generator.choice(
            [word for others in _OPPOSITES if others != pair for word in others]
        ),
    }[label]
    return {
        "premise": f"{person} {action} a {said} {thing} {place}",
        "hypothesis": f"{person} {action} a {claimed} {thing} {place}",
        "label": label,
    }


def generate_entailment() -> dict[str, list[Row]]:
    """Make the rows of `synthetic_entailment`.

    Returns:
        Rows by split.
    """
    return _distinct_rows(draw_entailment, seed=1)


def _draw_sentences(generator: random.Random, agreeing: Collection[int]) -> tuple[str, str]:
    """Draw two sentences that have the same word in the given slots and in no other."""
    first = [generator.choice(words) for _, _, words in _SLOTS]
    second = [
        word if slot in agreeing else _other(generator, _SLOTS[slot][2], word)
        for slot, word in enumerate(first)
    ]
    return " ".join(first), " ".join(second)


def draw_similarity(generator: random.Random, turn: int) -> Row:
    """Draw two sentences of five words that agree in some of them.

    Args:
        generator: The source of chance.
        turn: Number of the row; so many words agree, from none to all, taking turns.

    Returns:
        A row with "sentence1", "sentence2" and "score", from 0 to 5 in steps of 0.2.
    """
    agreeing = generator.sample(range(len(_SLOTS)), turn % (len(_SLOTS) + 1))
    first, second = _draw_sentences(generator, agreeing)
    score = sum(_SLOTS[slot][1] for slot in agreeing)
    return {"sentence1": first, "sentence2": second, "score": f"{score:.1f}"}


def generate_similarity() -> dict[str, list[Row]]:
    """Make the rows of `synthetic_similarity`.

    Returns:
        Rows by split.
    """
    return _distinct_rows(draw_similarity, seed=2)


def draw_choice(generator: random.Random, turn: int) -> Row:
    """Draw two sentences of five words that differ in one of them.

    Args:
        generator: The source of chance.
        turn: Number of the row; answers take turns.

    Returns:
        A row with "sentence1", "sentence2" and "answer", the letter of the slot that differs.
    """
    answer = turn % len(_SLOTS)
    agreeing = set(range(len(_SLOTS))) - {answer}
    first, second = _draw_sentences(generator, agreeing)
    return {"sentence1": first, "sentence2": second, "answer": _LETTERS[answer]}


def generate_choice() -> dict[str, list[Row]]:
    """Make the rows of `synthetic_choice`.

    Returns:
        Rows by split.
    """
    return _distinct_rows(draw_choice, seed=3)


TASKS = (
    Task(
        name="synthetic_entailment",
        kind="classification",
        description="Does the premise entail the hypothesis, contradict it, or say nothing of it?",
        fields=("premise", "hypothesis", "label"),
        inputs="synthetic_entailment premise: {premise} hypothesis: {hypothesis}",
        targets="{label}",
        labels={label: label for label in _ENTAILMENT_LABELS},
        metrics=("accuracy",),
        source=GeneratedSource(generate_entailment, _NOTE),
    ),
    Task(
        name="synthetic_similarity",
        kind="regression",
        description="How much do two sentences agree, from 0 to 5 in steps of 0.2?",
        fields=("sentence1", "sentence2", "score"),
        inputs="synthetic_similarity sentence1: {sentence1} sentence2: {sentence2}",
        targets="{score}",
        metrics=("pearson", "spearman"),
        source=GeneratedSource(generate_similarity, _NOTE),
    ),
    Task(
        name="synthetic_choice",
        kind="multiple_choice",
        description="In which of five things do the sentences differ?",
        fields=("sentence1", "sentence2", "answer"),
        inputs=(
            "synthetic_choice sentence1: {sentence1} sentence2: {sentence2} choices: "
            + " ".join(
                f"{letter} {slot}" for letter, (slot, _, _) in zip(_LETTERS, _SLOTS, strict=True)
            )
        ),
        targets="{answer}",
        labels={letter: letter for letter in _LETTERS},
        metrics=("accuracy",),
        source=GeneratedSource(generate_choice, _NOTE),
    ),
)
