"""SCAN regenerated from its grammar: commands → action sequences, and the splits that are rules.

Lake and Baroni 2018, "Generalization without Systematicity", figures 6 (grammar) and 7 (meaning).
A command joins one or two phrases by "and" or "after"; a phrase is an action, perhaps with a
direction, perhaps repeated.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

PRIMITIVES = {"walk": "I_WALK", "look": "I_LOOK", "run": "I_RUN", "jump": "I_JUMP"}
TURNS = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}
ACTIONS = (*PRIMITIVES.values(), *TURNS.values())
REPETITIONS = {"": 1, " twice": 2, " thrice": 3}

SIMPLE_TRAINING_PAIRS = 16_728  # the published random split is 80 to 20
LONGEST_TRAINING_ACTIONS = 22  # of the length split, experiment 2
JUMP_REPETITIONS = 1_467  # of "jump" alone in the training set of experiment 3


class ScanPair(NamedTuple):
    """One pair of the benchmark.

    Attributes:
        command: Such as "jump left twice".
        actions: Such as "I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP".
    """

    command: str
    actions: str


def scan_pairs() -> list[ScanPair]:
    """Generate all commands with their actions.

    Returns:
        20,910 pairs, always in the same order.
    """
    phrases = [
        (f"{phrase}{repetition}", actions * times)
        for phrase, actions in _verb_phrases()
        for repetition, times in REPETITIONS.items()
    ]
    commands = list(phrases)
    for first, first_actions in phrases:
        for second, second_actions in phrases:
            commands.append((f"{first} and {second}", first_actions + second_actions))
            commands.append((f"{first} after {second}", second_actions + first_actions))
    return [ScanPair(command, " ".join(actions)) for command, actions in commands]


def _verb_phrases() -> Iterator[tuple[str, tuple[str, ...]]]:
    verbs = {"turn": ()} | {verb: (action,) for verb, action in PRIMITIVES.items()}
    for verb, action in verbs.items():
        if action:
            yield verb, action
        for direction, turn in TURNS.items():
            yield f"{verb} {direction}", (turn, *action)
            yield f"{verb} opposite {direction}", (turn, turn, *action)
            yield f"{verb} around {direction}", (turn, *action) * 4


def simple_split(seed: int = 0) -> tuple[list[ScanPair], list[ScanPair]]:
    """Split at random, in the published sizes (the published choice follows no rule).

    Args:
        seed: Of the permutation.

    Returns:
        16,728 training pairs and 4,182 test pairs.
    """
    pairs = scan_pairs()
    random.Random(seed).shuffle(pairs)
    return pairs[:SIMPLE_TRAINING_PAIRS], pairs[SIMPLE_TRAINING_PAIRS:]


def length_split() -> tuple[list[ScanPair], list[ScanPair]]:
    """Split by length: more than 22 actions are test.

    Returns:
        16,990 training pairs and 3,920 test pairs.
    """
    return _partition(scan_pairs(), lambda pair: pair.actions.count(" ") < LONGEST_TRAINING_ACTIONS)


def jump_split() -> tuple[list[ScanPair], list[ScanPair]]:
    """Split by primitive: "jump" is seen alone, 1,467 times, and tested in combination.

    Returns:
        14,670 training pairs and 7,706 test pairs.
    """
    others, jumping = _partition(scan_pairs(), lambda pair: "jump" not in pair.command.split())
    alone, combined = _partition(jumping, lambda pair: pair.command == "jump")
    return others + alone * JUMP_REPETITIONS, combined


def _partition(
    pairs: Sequence[ScanPair], belongs: Callable[[ScanPair], bool]
) -> tuple[list[ScanPair], list[ScanPair]]:
    return [pair for pair in pairs if belongs(pair)], [pair for pair in pairs if not belongs(pair)]
