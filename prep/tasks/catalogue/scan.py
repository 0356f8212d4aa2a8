"""SCAN, navigation commands to actions: three splits generated from the grammar, one from files."""

import random
from collections.abc import Callable

from prep.sources.declarations import Carve, FileSource, FileSpec, GeneratedSource, Layout
from prep.sources.row import Row, RowError
from prep.tasks.catalogue.scan_grammar import (
    ACTIONS,
    ScanPair,
    jump_split,
    length_split,
    simple_split,
)
from prep.tasks.task import Task

VALIDATION_PAIRS = 500
_FILE_VALIDATION_SHARE = VALIDATION_PAIRS / 16_728
_SEED = 0
_NOTE = (
    f"validation is {VALIDATION_PAIRS} pairs of the published training set, which has no"
    " validation set of its own; test is the published one. The scan tasks share their pairs: one"
    " task's test pairs are in another's training set"
)


def _splits(split: Callable[[], tuple[list[ScanPair], list[ScanPair]]]) -> dict[str, list[Row]]:
    """Deal validation pairs from the training set, only such as occur once in it.

    Every split is shuffled, so that its first rows are a fair sample of it.
    """
    generator = random.Random(_SEED)
    training, test = split()
    single = [pair for pair in training if pair.command != "jump"]
    validation = set(generator.sample(single, VALIDATION_PAIRS))
    splits = {
        "train": [pair for pair in training if pair not in validation],
        "validation": [pair for pair in training if pair in validation],
        "test": test,
    }
    for pairs in splits.values():
        generator.shuffle(pairs)
    return {name: [pair._asdict() for pair in pairs] for name, pairs in splits.items()}


def generate_simple() -> dict[str, list[Row]]:
    """Make the rows of `scan_simple`.

    Returns:
        Rows by split.
    """
    return _splits(simple_split)


def generate_length() -> dict[str, list[Row]]:
    """Make the rows of `scan_length`.

    Returns:
        Rows by split.
    """
    return _splits(length_split)


def generate_jump() -> dict[str, list[Row]]:
    """Make the rows of `scan_jump`.

    Returns:
        Rows by split.
    """
    return _splits(jump_split)


def _generated(split: str, generate: Callable[[], dict[str, list[Row]]], tests: str) -> Task:
    return Task(
        name=f"scan_{split}",
        kind="generation",
        description=f"Turn a navigation command into actions; the test pairs are {tests}.",
        fields=("command", "actions"),
        inputs=f"scan_{split} command: {{command}}",
        targets="{actions}",
        metrics=("exact_match",),
        source=GeneratedSource(generate, _NOTE),
        whole_words=ACTIONS,
    )


def published_command(row: Row) -> str:
    """Words the command of a line of the published files.

    Args:
        row: A row with the field "line": "IN: … OUT: …".

    Returns:
        The text for the encoder.
    """
    return f"scan_file_simple command: {_parse(row)[0]}"


def published_actions(row: Row) -> str:
    """Returns the actions of a line of the published files.

    Args:
        row: A row with the field "line": "IN: … OUT: …".

    Returns:
        The text for the decoder.
    """
    return _parse(row)[1]


def _parse(row: Row) -> tuple[str, str]:
    command, found, actions = row["line"].removeprefix("IN: ").partition(" OUT: ")
    if not (found and command and actions and row["line"].startswith("IN: ")):
        raise RowError("not a SCAN line", "expected 'IN: command OUT: actions'")
    return command, actions.strip()


SCAN_FILE_SIMPLE = Task(
    name="scan_file_simple",
    kind="generation",
    description="Turn a navigation command into actions; the published files of the simple split.",
    fields=("line",),
    inputs=published_command,
    targets=published_actions,
    metrics=("exact_match",),
    source=FileSource(
        folders=("scan", "simple_split", "SCAN/simple_split"),
        layouts=(
            Layout(
                {
                    "train": FileSpec("tasks_train_simple.txt", "lines"),
                    "test": FileSpec("tasks_test_simple.txt", "lines"),
                },
                carve=Carve("validation", "train", _FILE_VALIDATION_SHARE, _SEED),
            ),
        ),
    ),
    whole_words=ACTIONS,
)

TASKS = (
    _generated("simple", generate_simple, "a random fifth"),
    _generated("length", generate_length, "those with more than 22 actions"),
    _generated("jump", generate_jump, "those that combine 'jump' with other words"),
    SCAN_FILE_SIMPLE,
)
