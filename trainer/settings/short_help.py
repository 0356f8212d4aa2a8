"""The trainer's `--help`: what one needs first, on a screen; `--help-all` has every setting."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from trainer.settings.arguments import SuggestingParser

_WIDTH = 32  # of an option with its value

# By heading: an option, what its value is called, and what it is, in the line that is left.
FIRST = {
    "What a run is of:": (
        ("--dataset", "DIR", "dataset folder that `prep build` wrote"),
        ("--run", "DIR", "run folder to write, or to go on with"),
        ("--config", "FILE", "settings in YAML or JSON, as in configs/"),
        ("--tasks", "A,B", "tasks of the dataset; by default all"),
    ),
    "The model:": (
        ("--model.backbone", "T5", "preset, folder or hub name"),
        ("--adapters.method", "NAME", "none: the whole backbone trains"),
    ),
    "The batches:": (
        ("--data.batch_size", "ROWS", "over all devices"),
        ("--data.lengths", "KIND", "per_task: shapes to its examples"),
        ("--data.mixture", "KIND", "how tasks take turns"),
        ("--data.temperature", "T", "of proportional turns"),
    ),
    "Training:": (
        ("--training.steps", "N", "or '3 epochs'"),
        ("--optimizer.learning_rate", "RATE", "at its peak"),
        ("--training.validate_every", "N", "steps, or '10%'"),
        ("--training.precision", "TYPE", "or mixed_bfloat16"),
        ("--seed", "N", "of weights, order and dropout"),
    ),
    "Instead of training one run:": (
        ("--dry-run", "", "say what would be done, write nothing"),
        ("--sweep", "SETTINGS", "a run for each combination of values"),
        ("--jobs", "N", "runs of a sweep at once"),
    ),
    "Help:": (
        ("--help-all", "", "every setting, by section"),
        ("--version", "", "the version"),
    ),
}


class ShortHelpParser(SuggestingParser):
    """A parser whose `--help` is a screen; it is built by `make_parser`, and `--help-all` added."""

    is_whole = False

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.add_argument("--help-all", action=_HelpAll, help="Show every setting and exit.")

    def format_help(self, formatter: argparse.HelpFormatter | None = None) -> str:
        """Write the help that is asked for.

        Args:
            formatter: As argparse has it.

        Returns:
            The lines of `FIRST`, or after `--help-all` every option.
        """
        if self.is_whole:
            return super().format_help(formatter)
        lines = [f"usage: {self.usage}", "", f"{self.description} Defaults in brackets."]
        for heading, options in FIRST.items():
            lines += ["", heading, *(self._line(*one) for one in options)]
        return "\n".join([*lines, "", *str(self.epilog).splitlines(), ""])

    def _line(self, option: str, value: str, text: str) -> str:
        default = self.get_default(option[2:]) if "." in option else None
        shown = f"{text} ({default})" if default is not None else text
        return f"  {f'{option} {value}':<{_WIDTH}}{shown}"


class _HelpAll(argparse._HelpAction):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Show every setting."""
        assert isinstance(parser, ShortHelpParser)
        parser.is_whole = True
        super().__call__(parser, namespace, values, option_string)
