"""The command line of the preflight: a run's own settings, and what to ask the compiler."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_tf.commands.arguments import split_names
from eval.decoding.options import Beams
from prep.errors import UsageError
from trainer.preflight.compiler import find_python
from trainer.preflight.topologies import FRIENDLY, Topology, find_topology
from trainer.settings.arguments import SuggestingParser, make_parser, read_options
from trainer.settings.config import RunConfig


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        config: Settings of the run.
        topology: Where it would run.
        python: That has the compiler.
        methods: Adapter methods to compare; empty: the run's own alone.
        is_search: Whether to look for the largest batch that fits.
        is_eval: Whether validation's and evaluation's programs are compiled too.
        beams: How evaluation searches for answers; None for greedy ones.
        json: The file to write; None for none.
    """

    config: RunConfig
    topology: Topology
    python: Path
    methods: tuple[str, ...]
    is_search: bool
    is_eval: bool
    beams: Beams | None
    json: Path | None


def make_preflight_parser() -> SuggestingParser:
    """Make the parser of the command line."""
    parser = make_parser(
        "python -m trainer.preflight",
        "Say what a TPU would make of a run, by its compiler and without a TPU: whether it fits, "
        "what it costs, what is slow in it. Takes the settings of the run, as python -m trainer.",
    )
    names = ", ".join(FRIENDLY)
    parser.add_argument("--topology", help=f"where it would run: {names}, or as in v5e:2x4")
    parser.add_argument("--batch-size", type=int, help="another data.batch_size, of all replicas")
    parser.add_argument("--search", action="store_true", help="find the largest batch that fits")
    parser.add_argument("--compare", help="adapter methods, with commas between them: one table")
    parser.add_argument("--eval", action="store_true", help="compile the evaluation's steps too")
    parser.add_argument("--beams", type=int, help="with --eval: beam search with so many")
    parser.add_argument("--json", help="a file to write all figures to")
    parser.add_argument("--compiler-python", help="the Python that has jax and libtpu")
    return parser


def read_preflight_options(argv: Sequence[str] | None) -> Options:
    """Read the command line.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The options; a run folder that is not named is one that nothing is written to.

    Raises:
        UsageError: An unknown option or topology, a missing compiler, options that do not go
            together.
    """
    parser = make_preflight_parser()
    config, given = read_options(parser, argv)
    if not given["topology"]:
        names = ", ".join(FRIENDLY)
        raise UsageError(f"--topology is missing: name one of {names}, or as in v5e:2x4")
    topology = find_topology(given["topology"])
    if given["search"] and given["compare"]:
        raise UsageError("--search and --compare do not go together: search for each method")
    if given["search"] and given["eval"]:
        raise UsageError("--search is for the train step; leave out --eval")
    if given["beams"] is not None and not given["eval"]:
        raise UsageError("--beams is for evaluation's steps; add --eval")
    if given["batch_size"] is not None:
        if given["batch_size"] < 1:
            raise UsageError(f"--batch-size must be above 0, got {given['batch_size']}")
        data = dataclasses.replace(config.data, batch_size=given["batch_size"])
        config = dataclasses.replace(config, data=data)
    share_batch(config.data.batch_size, topology.replicas)
    return Options(
        config=config if config.run else dataclasses.replace(config, run="preflight"),
        topology=topology,
        python=find_python(given["compiler_python"] or ""),
        methods=_read_methods(given["compare"]),
        is_search=given["search"],
        is_eval=given["eval"],
        beams=None if given["beams"] is None else Beams(given["beams"]),
        json=_read_json_path(given["json"]),
    )


def _read_methods(names: str | None) -> tuple[str, ...]:
    """Read the methods to compare, each of them once."""
    methods = tuple(dict.fromkeys(split_names(names or "")))
    if names is not None and not methods:
        raise UsageError("--compare names no method; expected some, as in lora,bottleneck,none")
    return methods


def _read_json_path(path: str | None) -> Path | None:
    """Refuse a file that cannot be written, minutes before it would be."""
    if not path:
        return None
    file = Path(path).absolute()
    if not file.parent.is_dir():
        raise UsageError(f"--json {path}: there is no folder {file.parent}")
    if file.is_dir():
        raise UsageError(f"--json {path} is a folder; expected a file in it")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"--json {path} cannot be written")
    return Path(path)


def share_batch(batch_size: int, replicas: int) -> int:
    """Divide a batch among replicas.

    Args:
        batch_size: Of all of them.
        replicas: How many.

    Returns:
        Rows of each.

    Raises:
        UsageError: It cannot be divided.
    """
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        near = f"{below} or {below + replicas}" if below else str(replicas)
        raise UsageError(
            f"a batch of {batch_size} cannot be divided among {replicas} replicas; use {near}"
        )
    return batch_size // replicas
