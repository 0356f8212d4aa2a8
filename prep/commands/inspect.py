"""`prep inspect`: what is in a dataset folder."""

import argparse
import dataclasses
from typing import Any

from prep.commands.lines import wrap_line
from prep.commands.options import parse_local, spell_options
from prep.errors import UsageError
from prep.inspection.survey import Mixture, survey_dataset
from prep.inspection.text import describe_dataset

_OF_A_PAGE = 5  # examples of each split


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    if arguments.records is None:
        arguments.records = _OF_A_PAGE if arguments.html else 1
    if arguments.records < 0:
        raise UsageError(f"--records is {arguments.records}; it must be >= 0")
    if arguments.html and (arguments.html.is_dir() or not arguments.html.parent.is_dir()):
        raise UsageError(f"--html {arguments.html}: expected a file in a folder that is there")
    mixture = Mixture(arguments.temperature, arguments.cap, arguments.steps, arguments.batch_size)
    survey = survey_dataset(arguments.directory, arguments.task, arguments.records, mixture)
    reasons = {name: spell_options(why) for name, why in survey.manifest.failed.items()}
    manifest = dataclasses.replace(survey.manifest, failed=reasons)
    survey = dataclasses.replace(survey, manifest=manifest)
    for line in describe_dataset(survey):
        print(wrap_line(line))
    if arguments.html:
        from prep.inspection.page import write_page  # loads matplotlib

        print(f"page: {write_page(arguments.html, survey)}")


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "inspect",
        help="show what is in a dataset folder",
        description="Show what is in a dataset folder: lengths, labels, rejected rows, examples,"
        " and how often each task comes up in a mixture.",
    )
    parser.add_argument("directory", metavar="DIR", help="the dataset folder, local or gs://")
    parser.add_argument("--task", metavar="TASK", help="only this task")
    parser.add_argument(
        "--records",
        type=int,
        metavar="N",
        help="decoded examples and rejected rows to show of each split (default: 1, on a page"
        f" {_OF_A_PAGE})",
    )
    parser.add_argument(
        "--html",
        type=parse_local,
        metavar="FILE",
        help="write all this as a page too, with histograms",
    )
    _add_mixture_options(parser)
    parser.set_defaults(run=run)


def _add_mixture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="of the mixture, whose rates are min(size, cap)^(1/T) (default: %(default)s)",
    )
    parser.add_argument(
        "--cap", type=int, metavar="EXAMPLES", help="the largest size a task counts with"
    )
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="say how many epochs of each task a training run of so many batches makes",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        metavar="EXAMPLES",
        help="of that run (default: %(default)s)",
    )
