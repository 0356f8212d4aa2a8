"""The runs of a sweep: every combination of the values that settings are given."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from prep import UsageError
from trainer.settings.config_file import repeated_keys

SEED = "seed"
_MOST = 1000  # runs
_OWN_OPTIONS = ("--sweep", "--jobs", "--run")  # of the sweep, not of its runs
_OWN_FLAG = "--dry-run"


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: Of its folder, below the sweep's.
        values: By setting.
    """

    name: str
    values: Mapping[str, Any]

    def options(self) -> list[str]:
        """Write the values as options of the trainer."""
        return [f"--{setting}={_as_text(value)}" for setting, value in self.values.items()]

    def group(self) -> str:
        """Name what it has in common with runs of other seeds."""
        others = [
            f"{setting} {_as_text(value)}"
            for setting, value in self.values.items()
            if setting != SEED
        ]
        return ", ".join(others) or "all"


def read_sweep(text: str) -> list[Member]:
    """Read what a sweep is to go through.

    Args:
        text: YAML: settings with a list of values each, such as `{seed: [0, 1], …}`.

    Returns:
        A run for each combination, the first setting's values changing last.

    Raises:
        UsageError: It is no such thing, or asks for more than a thousand runs.
    """
    try:
        twice = next(repeated_keys(yaml.compose(text, yaml.SafeLoader)), None)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--sweep: {text!r} is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise UsageError("--sweep: nested too deeply, or a value holds itself") from None
    if twice is not None:
        raise UsageError(f"--sweep: {twice.value!r} is there twice; give it one list of values")
    example = "'{seed: [0, 1, 2], adapters.method: [lora, ia3]}'"
    if not isinstance(tree, dict) or not tree:
        raise UsageError(f"--sweep: expected settings with their values, such as {example}")
    for name, values in tree.items():
        if not isinstance(name, str) or not isinstance(values, list) or not values:
            raise UsageError(f"--sweep {name}: expected a list of values, such as {example}")
        if name in ("run", "dataset"):
            raise UsageError(f"--sweep {name}: a sweep is of one dataset and has one folder")
        if f"--{name}" in (*_OWN_OPTIONS, _OWN_FLAG):
            raise UsageError(f"--sweep {name}: that is no setting of a run, but the sweep's own")
        texts = [_checked_text(name, value) for value in values]
        if len(set(texts)) < len(texts):
            raise UsageError(f"--sweep {name}: a value is there twice in {', '.join(texts)}")
    combinations = [
        dict(zip(tree, values, strict=True)) for values in itertools.product(*tree.values())
    ]
    if len(combinations) > _MOST:
        raise UsageError(f"--sweep: {len(combinations):,} runs; at most {_MOST:,} are made")
    return [Member(name, values) for name, values in _named(combinations)]


def _named(combinations: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Give each combination the name of its folder; equal ones are told apart by a number."""
    taken: set[str] = set()
    named = []
    for values in combinations:
        parts = [
            f"{setting.rpartition('.')[2]}={_as_text(value)}" for setting, value in values.items()
        ]
        name = re.sub(r"[^\w.=+,-]+", "_", ",".join(parts))[:120].strip("_,.") or "run"
        numbered = (f"{name},{number}" for number in itertools.count(2))
        free = next(one for one in itertools.chain([name], numbered) if one not in taken)
        taken.add(free)
        named.append((free, values))
    return named


def _checked_text(name: str, value: Any) -> str:
    try:
        return _as_text(value)
    except (TypeError, ValueError):  # a date, bytes, a list that holds itself
        raise UsageError(
            f"--sweep {name}: {value!r:.40} is read as a {type(value).__name__}; expected numbers, "
            "texts (in quotes where YAML reads another thing), lists or keys and values"
        ) from None


def _as_text(value: Any) -> str:
    """Write a value as an option takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def words_of_runs(words: Sequence[str]) -> list[str]:
    """Leave out of a command line what is of the sweep and not of its runs.

    Args:
        words: Of the command line.

    Returns:
        The others, in order.
    """
    kept: list[str] = []
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word in _OWN_OPTIONS:
            is_value = True
        elif word != _OWN_FLAG and not word.startswith(
            tuple(f"{option}=" for option in _OWN_OPTIONS)
        ):
            kept.append(word)
    return kept
