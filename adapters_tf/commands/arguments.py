"""A command line parser whose errors are one line, with the nearest option that exists."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from adapters_tf.errors import ConfigurationError, suggest


class OneLineParser(argparse.ArgumentParser):
    """Raises `ConfigurationError` where argparse would print its usage and exit."""

    def __init__(self, **settings: Any):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line.

        Args:
            message: What argparse says.

        Raises:
            ConfigurationError: Always.
        """
        unknown = re.match(r"unrecognized arguments: (--?[\w-]+)", message)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            message = f"unknown option {unknown[1]}; {suggest(unknown[1], options)}"
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
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--weights {text!r}: expected numbers such as 1,1,2") from None
