"""The command line of the doctor, and the order in which it looks at things."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from adapters_tf.commands.arguments import OneLineParser
from trainer.doctor.devices import check_devices
from trainer.doctor.environment import check_environment
from trainer.doctor.finding import FAULT, Finding, report_in_json, summarise
from trainer.doctor.gpus import check_gpus
from trainer.doctor.machine import check_machine
from trainer.doctor.places import check_backbone, check_dataset, check_run
from trainer.doctor.versions import check_versions
from trainer.doctor.wheel import check_wheel, uses_tpu_wheel

KINDS = ("auto", "tpu", "gpu", "cpu")
SECONDS = 180.0


def make_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = OneLineParser(
        prog="python -m trainer.doctor",
        description="Find what is wrong with this machine before a run does. Ends with 1 if "
        "something is.",
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="auto",
        help="the devices that a run would ask for, as distribution.kind (default: %(default)s)",
    )
    parser.add_argument("--dataset", help="a dataset folder that must be readable, or gs://…")
    parser.add_argument("--run", help="a run folder that must be writable")
    parser.add_argument("--backbone", help="a backbone: a preset or a folder")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=SECONDS,
        metavar="SECONDS",
        help="how long TensorFlow and a bucket are waited for (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds, such as 60, found {text!r}")
    return seconds


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Look at everything, the quick things first.

    Args:
        options: Of the command line.

    Yields:
        Findings as they are made.
    """
    is_tpu = uses_tpu_wheel()
    yield from check_versions(is_tpu=is_tpu)
    yield from check_wheel()
    yield from check_environment(os.environ, is_tpu=is_tpu)
    yield from check_machine(Path(options.run or "."))
    if options.run:
        yield check_run(options.run)
    if options.backbone:
        yield check_backbone(options.backbone)
    if options.dataset:
        yield check_dataset(options.dataset, options.timeout)
    found = list(check_devices(options.kind, os.environ, options.timeout))
    yield from found
    is_used = any(one.about == "strategy" and "GPU" in one.what for one in found)
    yield from check_gpus(options.kind, os.environ, is_used=is_used, is_tpu_wheel=is_tpu)


def main(argv: list[str] | None = None) -> int:
    """Examine this machine.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 if there is no fault, 1 if there is one.
    """
    options = make_parser().parse_args(argv)
    findings = []
    for finding in examine(options):
        findings.append(finding)
        if not options.json:
            print(*finding.lines(), sep="\n", flush=True)
    print(report_in_json(findings) if options.json else summarise(findings))
    return int(any(finding.status == FAULT for finding in findings))
