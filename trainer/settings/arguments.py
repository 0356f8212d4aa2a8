"""The command line: a config file, and every setting as a dotted option."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from jsonargparse import ArgumentParser, Namespace

from prep.errors import UsageError
from trainer.settings.config import RunConfig

# What settings were called in earlier versions, and their names now.
RENAMED = {"optimizer.decay": "optimizer.schedule"}


class SuggestingParser(ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what the user got wrong."""
        line = " ".join(str(message).split())
        raise UsageError(line + self._suggestion(line)) from ex

    def _suggestion(self, message: str) -> str:
        options = [option for action in self._actions for option in action.option_strings]
        for word in re.findall(r"[\w.-]+", message):
            name = "--" + word.lstrip("-").split("=")[0]
            near = difflib.get_close_matches(name, options, n=1, cutoff=0.75)
            if near and name not in options:
                return f"; did you mean {near[0]}?"
        return ""


def make_parser() -> ArgumentParser:
    """Build the parser: a config file, and every setting as a dotted option."""
    parser = SuggestingParser(
        prog="python -m trainer", description="Train a run, or go on with it where it stopped."
    )
    parser.add_argument("--config", action="config", help="YAML or JSON file of settings")
    parser.add_class_arguments(RunConfig)
    for old in RENAMED:
        parser.add_argument(f"--{old}", help=argparse.SUPPRESS)
    return parser


def read_arguments(argv: Sequence[str] | None) -> RunConfig:
    """Read the command line.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The settings.

    Raises:
        UsageError: An unknown option, or a value of another type.
    """
    parser = make_parser()
    parsed = parser.parse_args(argv)
    del parsed["config"]
    _rename(parsed)
    return RunConfig(**vars(parser.instantiate(parsed)))


def _rename(parsed: Namespace) -> None:
    """Take settings under their earlier names, with a hint."""
    for old, new in RENAMED.items():
        value = parsed.pop(old)
        if value is not None:
            print(f"note: {old} is called {new} now", file=sys.stderr)
            parsed[new] = value
