"""A command line parser whose errors are one line, with the nearest option that exists.

`prep.commands.parser` has the same rules; a test holds the two copies together.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.version import SAID


class OneLineParser(argparse.ArgumentParser):
    """Raises `ConfigurationError` where argparse would print its usage and exit."""

    def __init__(self, **settings: Any):
        super().__init__(allow_abbrev=False, **settings)
        self.add_argument("--version", action="version", version=SAID)
        self._words: list[str] = []

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read a command line, of which nothing may be left over: a command knows its options."""
        self._words = list(sys.argv[1:] if args is None else args)
        parsed, extra = super().parse_known_args(self._words, namespace)
        if extra:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        return parsed, extra

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(
                action, f"there is no {value!r}; {suggest(str(value), action.choices)}"
            )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line.

        Args:
            message: What argparse says.

        Raises:
            ConfigurationError: Always.
        """
        options = [option for action in self._actions for option in action.option_strings]
        # A misspelled option is what is wrong, even where it makes a required one missing.
        typed = [word.split("=")[0] for word in self._words if re.match("--[a-z]", word)]
        unknown = [word for word in typed if word not in options]
        if unknown and re.match("unrecognized|the following arguments are required", message):
            message = f"unknown option {unknown[0]}; {suggest(unknown[0], options)}"
        raise ConfigurationError(f"{self.prog}: {message}")


def split_names(text: str) -> list[str]:
    """Read names with commas between them.

    Args:
        text: Such as rte,cola or "rte, cola"; empty for none.

    Returns:
        The names, without blanks around them.
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def read_weights(text: str | None) -> list[float] | None:
    """Read numbers with commas between them.

    Args:
        text: Such as 1,1,2; None for none.

    Returns:
        The numbers.

    Raises:
        ConfigurationError: One is none.
    """
    try:
        weights = None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--weights {text!r}: expected numbers such as 1,1,2") from None
    if weights and not all(map(math.isfinite, weights)):
        raise ConfigurationError(f"--weights {text!r}: expected finite numbers such as 1,1,2")
    return weights
