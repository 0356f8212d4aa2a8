"""A command line parser whose errors are one line, with the nearest option that exists."""

import argparse
import re
from typing import NoReturn

from prep import UsageError, nearest


class OneLineParser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print its usage and exit."""

    def __init__(self, **settings: object):
        super().__init__(allow_abbrev=False, **settings)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Says what is wrong with the command line.

        Args:
            message: argparse's own words.

        Raises:
            UsageError: always.
        """
        unknown = re.match(r"unrecognized arguments: (--?[\w-]+)", message)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            message = f"unknown option {unknown[1]}; {nearest(unknown[1], options)}"
        raise UsageError(f"{self.prog}: {message}")
