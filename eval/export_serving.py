"""`python -m eval export-serving`: a run as a SavedModel that takes strings and returns answers."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_tf.commands.arguments import OneLineParser, split_names
from adapters_tf.errors import reason_of_refusal, say_note
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import local_path, typed_dataset, typed_path
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.runs.config import read_config
from adapters_tf.runs.settings import ResolvedRun
from eval.decoding.options import (
    Decoding,
    add_decoding_options,
    add_search_options,
    read_decoding_options,
)
from prep import DataError, TaskEntry, UsageError, load_manifest, nearest
from prep.commands.options import add_tasks_file, own_tasks

STORED = ("float32", "bfloat16", "int8")  # as adapters_tf.model.stored_matrices has them
EXPORT_FILE = "export.json"
NO_CHECK, CHECK_ON = "none", "validation"


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval export-serving", description=__doc__)
    parser.add_argument(
        "--run", type=typed_dataset, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument(
        "--out", type=typed_path, required=True, metavar="FOLDER", help="to write, of this machine"
    )
    parser.add_argument("--tasks", default="", help="names separated by commas; by default all")
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    add_tasks_file(parser)
    parser.add_argument("--checkpoint", default="best", choices=("best", "last", "none"))
    parser.add_argument(
        "--weights",
        default=STORED[0],
        choices=STORED,
        help="how the matrices of the T5 are stored; by default float32",
    )
    parser.add_argument(
        "--check-on",
        default=CHECK_ON,
        metavar="SPLIT",
        help="whose answers are compared with the run's; by default validation; none for no check",
    )
    parser.add_argument(
        "--check-examples", type=int, default=200, help="of each task; by default 200"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier export")
    add_decoding_options(parser)
    add_search_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Export a run.

    Args:
        argv: The words after `export-serving`.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(list(argv))
    decoding = read_decoding_options(options)
    if decoding.sampling is not None:
        raise UsageError("--sample draws, and an export gives the same question the same answer")
    out = local_path(options.out, "--out")
    check_options(options, out)
    with local_copy(options.run) as folder:
        _export(options, decoding, str(folder), out)
    return 0


def check_options(options: Namespace, out: Path) -> None:
    """Refuse what cannot be, before anything is loaded.

    Args:
        options: The command line.
        out: The folder to write.

    Raises:
        UsageError: A number is out of its range, or the folder is there already.
    """
    if options.check_examples < 1:
        raise UsageError(f"--check-examples is {options.check_examples}; expected 1 or more")
    if not out.exists():
        return
    if not (out / EXPORT_FILE).is_file():
        raise UsageError(f"--out {out} is there already, and no export; name another folder")
    if not options.force:
        raise UsageError(f"--out {out} has an export already; --force replaces it")


def choose_names(options: Namespace, settings: ResolvedRun) -> list[str]:
    """Choose the tasks to export: those asked for, or all of the run's.

    Args:
        options: The command line.
        settings: The run's.

    Returns:
        Their names.

    Raises:
        UsageError: The run has no such task.
    """
    names = split_names(options.tasks) or list(settings.tasks)
    for name in names:
        if name not in settings.tasks:
            raise UsageError(f"the run has no task {name!r}; {nearest(name, settings.tasks)}")
    return list(dict.fromkeys(names))


def check_split(split: str, entries: Sequence[TaskEntry]) -> None:
    """Refuse to check on a split that no task has.

    Args:
        split: Its name.
        entries: Tasks of the dataset.

    Raises:
        UsageError: There is none, and its name is not the option's default.
    """
    splits = {name for entry in entries for name in entry.splits}
    if split not in splits and split != CHECK_ON:
        raise UsageError(f"--check-on: no task has a split {split!r}; {nearest(split, splits)}")


def _export(options: Namespace, decoding: Decoding, run: str, out: Path) -> None:
    """Export a run whose folder is on this machine, if only as a copy."""
    settings = read_config(run)
    names = choose_names(options, settings)
    manifest = load_manifest(options.dataset or settings.dataset)
    split = options.check_on
    if split != NO_CHECK:
        check_split(split, [manifest.tasks[name] for name in names if name in manifest.tasks])
    own = own_tasks(options)
    from eval.scoring import describe_source
    from eval.serving.checking import ask_run, describe_check
    from eval.serving.exporting import VERSION, describe_export, plan_tasks, trace_run
    from eval.session import open_session

    session = open_session(
        run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        decoding=decoding,
        settings=settings,
        manifest=manifest,
    )
    planned = plan_tasks(session, names, own)
    source = describe_source(session, options.run, options.checkpoint, (), None)
    references = {}
    if split != NO_CHECK:
        entries = [task.entry for task in planned.tasks]
        references = ask_run(session, entries, split, options.check_examples)
        if left_out := [name for name in names if name not in references]:
            say_note(f"not checked, for there are no examples of {split}: {', '.join(left_out)}")
    with replaced_folder(out) as folder:
        served, signatures = trace_run(session, planned, options.weights)
        save(served, folder / VERSION, signatures)
        about = describe_export(planned, signatures, source, options.weights)
        found = _check(folder / VERSION, references)
        about["check"] = {"split": split, "tasks": found} if found else None
        about["bytes"] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        (folder / EXPORT_FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    for line in describe_check(found, split):
        print(line)
    print(f"wrote {out}: {about['bytes'] / 1e6:,.1f} MB, signatures {', '.join(signatures)}")


def save(served: Any, folder: Path, signatures: dict[str, Any]) -> None:
    """Save a program with its weights.

    Args:
        served: The module that holds them.
        folder: To write.
        signatures: Functions by name.

    Raises:
        DataError: TensorFlow could not write it, as on a full disk.
    """
    import tensorflow as tf

    try:
        tf.saved_model.save(served, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        reason = reason_of_refusal(str(error.message))
        raise DataError(f"the export cannot be written: {reason}") from error


def _check(folder: Path, references: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Compare what was saved with what the run answers."""
    if not references:
        return {}
    import tensorflow as tf

    from eval.serving.checking import compare

    return compare(tf.saved_model.load(str(folder)), references)
