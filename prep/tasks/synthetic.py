"""Three small tasks made from sentences that code generates: one of each kind besides generation.

They need no file, are balanced by construction, and can only be solved by comparing two parts of
the text, so a constant answer stays at chance while a model that learns them nears perfection.
"""

import itertools
import random
from collections.abc import Callable

from prep.sources import GeneratedSource, Row
from prep.task import Task

SPLIT_SIZES = {"train": 6_000, "validation": 500, "test": 500}
_NOTE = "generated sentences; no two rows of the task are equal"

_ANIMALS = ("dog", "cat", "horse", "bird", "fish", "cow", "duck", "goat")
_OPPOSITES = (
    ("big", "small"),
    ("old", "young"),
    ("loud", "quiet"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("near", "far"),
)
_ENTAILMENT_LABELS = ("entailment", "contradiction", "neutral")


def _distinct_rows(draw: Callable[[random.Random, int], Row], seed: int) -> dict[str, list[Row]]:
    """Draws rows until every split is full, no row twice, the answers taking turns."""
    generator = random.Random(seed)
    rows: dict[tuple, Row] = {}
    while len(rows) < sum(SPLIT_SIZES.values()):
        row = draw(generator, len(rows))
        rows.setdefault(tuple(row.items()), row)
    stream = iter(rows.values())
    return {split: list(itertools.islice(stream, size)) for split, size in SPLIT_SIZES.items()}


def draw_entailment(generator: random.Random, turn: int) -> Row:
    """Draws a premise on two animals and a hypothesis on one of them.

    Args:
        generator: The source of chance.
        turn: Number of the row; labels take turns.

    Returns:
        A row with "premise", "hypothesis" and "label".
    """
    animals = generator.sample(_ANIMALS, 2)
    qualities = generator.sample(_OPPOSITES, 2)
    said = [generator.choice(pair) for pair in qualities]
    label = _ENTAILMENT_LABELS[turn % len(_ENTAILMENT_LABELS)]
    about = generator.randrange(2)
    quality = {
        "entailment": said[about],
        "contradiction": next(word for word in qualities[about] if word != said[about]),
        "neutral": generator.choice(
            [word for pair in _OPPOSITES if pair != qualities[about] for word in pair]
        ),
    }[label]
    return {
        "premise": f"the {animals[0]} is {said[0]} and the {animals[1]} is {said[1]}",
        "hypothesis": f"the {animals[about]} is {quality}",
        "label": label,
    }


def generate_entailment() -> dict[str, list[Row]]:
    """Makes the rows of `synthetic_entailment`.

    Returns:
        Rows by split.
    """
    return _distinct_rows(draw_entailment, seed=1)


# Every slot two sentences can agree in, with what agreement is worth; together 5.
_SLOTS = (
    (("ann", "bob", "eve", "tom", "zoe"), 2.0),
    (("sees", "buys", "paints", "hides", "sells"), 1.2),
    (("red", "blue", "green", "black", "white"), 0.8),
    (("cup", "hat", "box", "lamp", "chair"), 0.6),
    (("here", "there", "outside", "upstairs", "nearby"), 0.4),
)


def draw_similarity(generator: random.Random, turn: int) -> Row:
    """Draws two sentences of five words that agree in some of them.

    Args:
        generator: The source of chance.
        turn: Number of the row; so many words agree, from none to all, taking turns.

    Returns:
        A row with "sentence1", "sentence2" and "score", from 0 to 5 in steps of 0.2.
    """
    agreeing = generator.sample(range(len(_SLOTS)), turn % (len(_SLOTS) + 1))
    first = [generator.choice(words) for words, _ in _SLOTS]
    second = [
        word if slot in agreeing else generator.choice([other for other in words if other != word])
        for slot, ((words, _), word) in enumerate(zip(_SLOTS, first, strict=True))
    ]
    score = sum(_SLOTS[slot][1] for slot in agreeing)
    return {
        "sentence1": " ".join(first),
        "sentence2": " ".join(second),
        "score": f"{score:.1f}",
    }


def generate_similarity() -> dict[str, list[Row]]:
    """Makes the rows of `synthetic_similarity`.

    Returns:
        Rows by split.
    """
    return _distinct_rows(draw_similarity, seed=2)


_CATEGORIES = {
    "fruit": ("apple", "pear", "plum", "grape", "lemon", "melon"),
    "tool": ("hammer", "saw", "drill", "wrench", "shovel", "rake"),
    "garment": ("shirt", "coat", "sock", "glove", "scarf", "skirt"),
    "vehicle": ("car", "bus", "train", "ship", "truck", "tram"),
    "instrument": ("piano", "flute", "drum", "violin", "harp", "trumpet"),
    "insect": ("ant", "bee", "moth", "fly", "wasp", "beetle"),
}
_LETTERS = ("A", "B", "C", "D", "E")


def draw_choice(generator: random.Random, turn: int) -> Row:
    """Draws a category and five words of different categories, one of them of that category.

    Args:
        generator: The source of chance.
        turn: Number of the row; answers take turns.

    Returns:
        A row with "category", the words under "A" to "E", and "answer".
    """
    categories = generator.sample(sorted(_CATEGORIES), len(_LETTERS))
    answer = turn % len(_LETTERS)
    words = [generator.choice(_CATEGORIES[category]) for category in categories]
    return {
        "category": categories[answer],
        **dict(zip(_LETTERS, words, strict=True)),
        "answer": _LETTERS[answer],
    }


def generate_choice() -> dict[str, list[Row]]:
    """Makes the rows of `synthetic_choice`.

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
        description="Which of five words belongs to the category?",
        fields=("category", *_LETTERS, "answer"),
        inputs="synthetic_choice category: {category} choices: A: {A} B: {B} C: {C} D: {D} E: {E}",
        targets="{answer}",
        labels={letter: letter for letter in _LETTERS},
        metrics=("accuracy",),
        source=GeneratedSource(generate_choice, _NOTE),
    ),
)
