"""`prep build`: tasks into a dataset folder."""

import argparse
import difflib
import os
import shlex
from collections.abc import Sequence
from typing import Any

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.commands.lines import wrap_line
from prep.commands.options import add_task_options, find_tasks, parse_folder, spell_options
from prep.commands.split_options import parse_selection
from prep.dataset.entries import ITSELF, SplitEntry
from prep.dataset.manifest import Manifest
from prep.errors import DataError, UsageError
from prep.inspection.text import (
    describe_left_out,
    describe_packing,
    describe_target_lengths,
    describe_unknown,
    loses_much,
)

_LONG = ("note: ", "failed: ", "  rejected: ")  # lines; others are rows of a table
_USUAL_SPLITS = ("train", "validation")  # as a run has them where it is not told otherwise


def _split_options(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--beam-options {text!r}: {error}") from error


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    options = BuildOptions(
        tasks=find_tasks(arguments),
        vocabulary=arguments.vocabulary,
        out=arguments.out,
        data_dir=arguments.data_dir,
        max_input_length=arguments.max_input_length,
        max_target_length=arguments.max_target_length,
        shard_records=arguments.shard_records,
        workers=arguments.workers,
        force=arguments.force,
        accept_rejects=arguments.accept_rejects,
        blank_after_sentinels=not arguments.no_blank_after_sentinels,
        truncation=arguments.truncation,
        pack=arguments.pack,
        pack_target_length=arguments.pack_target_length,
        format=arguments.format,
        has_name_in_front=arguments.task_name_in_front,
        source=arguments.source,
        modules=tuple(path for path in arguments.tasks_file if path.suffix == ".py"),
        runner=arguments.runner,
        beam_options=_split_options(arguments.beam_options),
        selection=parse_selection(
            arguments.carve, arguments.few_shot, arguments.limit, arguments.split_seed
        ),
    )

    def report(line: str) -> None:
        line = spell_options(line)
        print(wrap_line(line) if line.startswith(_LONG) else line)

    manifest = build_dataset(options, report)
    for line in _summarize(manifest):
        report(line)
    print(f"dataset folder: {options.out}")
    if manifest.failed:
        raise DataError(
            f"{len(manifest.failed)} of {len(options.tasks)} tasks failed:"
            f" {', '.join(manifest.failed)}; the same command tries again"
        )


def _summarize(manifest: Manifest) -> list[str]:
    """Make one line per split: what went in, and what was lost on the way."""
    lines = [f"{'task':<22} {'split':<12} {'examples':>9} {'tokens':>11} {'truncated':>9} rejected"]
    for task in manifest.tasks.values():
        for name, split in task.splits.items():
            tokens = split.input_tokens + split.target_tokens
            reasons = ", ".join(f"{count} × {why}" for why, count in split.rejected_reasons.items())
            lines.append(
                f"{task.name:<22} {name:<12} {split.examples:>9,} {tokens:>11,}"
                f" {split.truncated:>9,} {split.rejected:>8,}"
            )
            if reasons:
                lines.append(f"  rejected: {reasons}; see {task.name}/rejected.jsonl")
            lines += [f"  {note}" for note in _describe_odd_rows(split)]
    if manifest.packing and manifest.packing.rows:
        lines += [*describe_packing(manifest.packing), describe_target_lengths(manifest)]
    lines += [
        f"note: {task.name}, {name}: {line}"
        for task in manifest.tasks.values()
        for name, split in task.splits.items()
        if loses_much(split)
        for line in describe_unknown(split)
    ]
    lines += [
        f"note: {task.name}, {name}: {reason}: {task.name}/rejected.jsonl names an encoding to try"
        for task in manifest.tasks.values()
        for name, split in task.splits.items()
        for reason in split.rejected_reasons
        if reason == "invalid UTF-8"
    ]
    lines += [
        f"note: {task.name}, {name}: no example has the answer {word!r}"
        for task in manifest.tasks.values()
        for name, split in task.splits.items()
        for word, count in zip(task.label_words, split.label_counts, strict=False)
        if not count and name == "train"
    ]
    lines += [
        f"note: {task.name} has a split {name!r} and none called {near[0]!r}, which is what a run"
        " takes unless told otherwise"
        for task in manifest.tasks.values()
        for name in task.splits
        if name not in _USUAL_SPLITS
        and (near := difflib.get_close_matches(name, {*_USUAL_SPLITS} - {*task.splits}, n=1))
    ]
    lines += [f"failed: {name}: {reason}" for name, reason in manifest.failed.items()]
    return lines


def _describe_odd_rows(split: SplitEntry) -> list[str]:
    notes = [
        f"{count:,} of them have the inputs of an "
        + ("earlier one" if other == ITSELF else f"example in {other}")
        for other, count in split.duplicates.items()
    ]
    return notes + describe_left_out(split)


def join_beam_options(argv: Sequence[str]) -> list[str]:
    """Join --beam-options and its text by "=", or argparse takes the text for options of ours."""
    remaining = iter(argv)
    return [
        f"{part}={text}" if part == "--beam-options" and (text := next(remaining, "")) else part
        for part in remaining
    ]


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "build",
        help="tokenize tasks into a dataset folder",
        description="Tokenize tasks into a dataset folder. Run again, it finds its work done; one "
        "that was interrupted goes on with the shards that are not finished. A task that fails, "
        "or whose code ends a worker process, does not keep the others from being built: the "
        "manifest lists it with the reason, the exit code is 1, and the same command tries it "
        "again. If every task fails, nothing is written.",
    )
    add_task_options(parser)
    parser.add_argument(
        "--vocabulary",
        type=parse_folder,
        required=True,
        metavar="FILE",
        help="SentencePiece model; the 100 sentinels are added to it, unless it holds its own",
    )
    parser.add_argument(
        "--out",
        type=parse_folder,
        required=True,
        metavar="DIR",
        help="the dataset folder to make, local or gs://bucket/prefix",
    )
    _add_length_options(parser)
    _add_packing_options(parser)
    parser.add_argument(
        "--shard-records",
        type=int,
        default=2048,
        metavar="ROWS",
        help="source rows per shard (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=_available_processors(),
        metavar="N",
        help="processes of the local runner; the result does not depend on it (default:"
        " %(default)s)",
    )
    _add_runner_options(parser)
    _add_split_options(parser)
    _add_wording_options(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace a dataset that was built with other options"
    )
    parser.add_argument(
        "--accept-rejects",
        action="store_true",
        help="build a task although half of a split's rows or more had to be rejected",
    )
    parser.set_defaults(run=run)


def _add_length_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-input-length",
        type=int,
        default=512,
        metavar="TOKENS",
        help="longer inputs are cut (default: %(default)s)",
    )
    parser.add_argument(
        "--truncation",
        metavar="HOW",
        help="what to keep of longer inputs, of every task: head, tail, or head_tail, which puts"
        " <extra_id_1> where the middle was (default: as each task says, most say head)",
    )
    parser.add_argument(
        "--max-target-length",
        type=int,
        default=512,
        metavar="TOKENS",
        help="longer targets lose their end (default: %(default)s)",
    )


def _add_runner_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runner",
        default="local",
        metavar="KIND",
        help="what runs the workers: local (processes of this machine) or beam (an Apache Beam"
        " pipeline; the shards are the same to the bit) (default: %(default)s)",
    )
    parser.add_argument(
        "--beam-options",
        default="",
        metavar='"--OPTION=…"',
        help="options of Beam and its runner, as one text: "
        '"--runner=DataflowRunner --project=… --region=… --temp_location=gs://…"; this package'
        " and the modules of --tasks-file reach the workers by themselves",
    )


def _add_packing_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack",
        action="store_true",
        help="put several training examples of a task into one record of --max-input-length"
        " tokens, so that hardly any position is padding; other splits stay as they are",
    )
    parser.add_argument(
        "--pack-target-length",
        type=int,
        default=0,
        metavar="TOKENS",
        help="target tokens a packed record may have (default: as few as cost no record, which"
        " dataset.json tells)",
    )


def _add_wording_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-blank-after-sentinels",
        action="store_true",
        help="encode '<extra_id_0>. Hello' without a lone '▁' after the sentinel, as newer"
        " tokenizers do (legacy=False); by default with it, as T5's own code does",
    )
    parser.add_argument(
        "--format",
        default="t5",
        metavar="WORDING",
        help="t5: as in the T5 paper; hyperformer: fields joined as 'sentence1: … sentence2: …',"
        " labels as digits; encoder: for heads on the encoder, similarities not rounded and each"
        " choice of a multiple choice a text of its own (default: %(default)s)",
    )
    parser.add_argument(
        "--task-name-in-front",
        action="store_true",
        help="with --format hyperformer, begin inputs with the task's name, as is done where no"
        " adapters tell the tasks apart",
    )


def _add_split_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--carve",
        action="append",
        default=[],
        metavar="[TASK/]NEW=OLD:N",
        help="make a split out of another, N rows or a share: validation=train:1000,"
        " test=validation:0.5, rte/test=validation:0.5; without a task, for every one that has no"
        " such split; may be given again",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="[TASK/]SPLIT=ROWS",
        help="take that many rows of a split, drawn at random; may be given again",
    )
    parser.add_argument(
        "--few-shot",
        action="append",
        default=[],
        metavar="[TASK/]SPLIT=ROWS",
        help="take that many rows of each label, drawn at random; may be given again",
    )
    parser.add_argument(
        "--split-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of --carve, --limit and --few-shot (default: %(default)s)",
    )


def _available_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
