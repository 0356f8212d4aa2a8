"""How long a run is where steps and epochs are both given, in a file and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jsonargparse import ArgumentParser, Namespace

from adapters_tf.runs.sections import TrainingConfig
from prep.errors import UsageError

STEPS, EPOCHS = "training.steps", "training.epochs"
_FILE = "--config"


def settle_length(
    training: TrainingConfig, parser: ArgumentParser, words: Sequence[str]
) -> TrainingConfig:
    """Let the command line's length of a run stand in place of a file's.

    Args:
        training: As the parser read it, steps and epochs side by side.
        parser: That read it.
        words: Of the command line, which it could read.

    Returns:
        The section with the one that counts; the other has its default.

    Raises:
        UsageError: Both are given in one place.
    """
    if not training.epochs:
        return training  # nothing stands beside steps
    files, typed = _split_words(words)
    for where, part in (("on the command line", typed), (f"in {_FILE}", files)):
        given: Namespace = parser.parse_args(part, defaults=False)
        steps, epochs = given.get(STEPS), given.get(EPOCHS)
        if steps is not None and epochs:
            raise UsageError(
                f"{STEPS} is {steps} and {EPOCHS} {epochs:g}, both {where}; leave one out"
            )
        if steps is not None:
            return replace(training, epochs=0.0)
        if epochs:
            return replace(training, steps=TrainingConfig().steps)
        if epochs is not None:
            return training
    return training


def _split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part what names files from what is typed."""
    files: list[str] = []
    typed: list[str] = []
    for index, word in enumerate(words):
        is_named = index > 0 and words[index - 1] == _FILE
        is_file = is_named or word == _FILE or word.startswith(f"{_FILE}=")
        (files if is_file else typed).append(word)
    return files, typed
