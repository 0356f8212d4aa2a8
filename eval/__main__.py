"""`python -m eval`: score a run on a split of its dataset, and write figures and predictions."""

import sys
from argparse import BooleanOptionalAction
from pathlib import Path

import numpy as np
from tqdm import tqdm

from adapters_tf.commands.arguments import OneLineParser, read_weights, split_names
from adapters_tf.errors import say_note
from adapters_tf.files.local_paths import typed_dataset, typed_path
from adapters_tf.runs.config import read_config
from eval.evaluator import TaskResult
from eval.metrics.registry import check_metrics
from eval.report.baselines import trivial_baseline
from eval.report.files import write_report
from eval.report.table import ScoredTask, format_table
from eval.session import Session, choose_tasks, open_session
from prep import TaskEntry, TokenTable, UsageError, load_manifest, read_split, run_command

BASELINE_SPLIT = "train"


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval", description=__doc__)
    parser.add_argument(
        "--run", type=typed_path, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    parser.add_argument("--split", default="validation", help="by default validation")
    parser.add_argument("--tasks", default="", help="names separated by commas; by default all")
    parser.add_argument("--batch-size", type=int, help="over all replicas; by default the run's")
    parser.add_argument(
        "--checkpoint",
        default="best",
        choices=("best", "last", "none"),
        help="by default best; none is the model before training",
    )
    parser.add_argument(
        "--average", default="", help="adapters a,b: the mean of their outputs answers every task"
    )
    parser.add_argument("--weights", help="one number per adapter of --average: 2,1")
    parser.add_argument("--logical-devices", type=int, default=1, help="replicas on one CPU")
    parser.add_argument(
        "--jit-compile",
        action=BooleanOptionalAction,
        help="compile with XLA; by default on GPUs (a TPU always compiles)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Score a run.

    Args:
        argv: The command line; by default the process's own.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(argv)
    names = split_names(options.tasks)
    average, weights = split_names(options.average), read_weights(options.weights)
    check_average(average, weights, options.checkpoint)
    settings = read_config(options.run)
    # Mistakes in names are found before the model is built.
    manifest = load_manifest(options.dataset or settings.dataset)
    entries = choose_tasks(names, settings, manifest, options.split)
    check_metrics(entries)
    session = open_session(
        options.run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size,
        logical_devices=options.logical_devices,
        jit_compile=options.jit_compile,
        average=average,
        weights=weights,
        settings=settings,
        manifest=manifest,
    )
    scored = [score_task(session, entry, options.split) for entry in entries]
    print(format_table(scored))
    provenance = {
        "run": str(options.run),
        "checkpoint": options.checkpoint,
        **({"average": average, "weights": weights} if average else {}),
        "step": session.run.step,
        "dataset": session.dataset,
        "vocabulary_sha256": session.vocabulary.sha256,
        "input_length": session.evaluator.input_length,
        "batch_size": session.evaluator.batch_size,
        "replicas": session.evaluator.strategy.num_replicas_in_sync,
    }
    folder = Path(options.run) / "eval"
    if average:
        folder /= "-".join(("average", *average))
    for file in write_report(folder, options.split, scored, session.vocabulary, provenance):
        print(f"wrote {file}")
    return 0


def check_average(average: list[str], weights: list[float] | None, checkpoint: str) -> None:
    """Refuse options that only make sense with an average, or without one.

    Args:
        average: Names of adapters.
        weights: Their weights.
        checkpoint: What `--checkpoint` says.

    Raises:
        UsageError: There is such an option.
    """
    if weights is not None and not average:
        raise UsageError("--weights goes with --average: name the adapters")
    if average and checkpoint != "best":
        raise UsageError(f"--average takes the exported, best adapters; not {checkpoint!r} ones")


def score_task(session: Session, entry: TaskEntry, split: str) -> ScoredTask:
    """Score one task, showing progress.

    Args:
        session: The open run.
        entry: The task.
        split: The split to score on.

    Returns:
        The result, beside the trivial baseline's.
    """
    table = read_split(session.dataset, session.manifest, entry.name, split)
    length = session.evaluator.input_length
    cut = int((np.diff(table.input_offsets) > length).sum())
    if cut:
        say_note(f"{entry.name}: {cut} of {len(table)} inputs are cut to {length} tokens")
    result = evaluate_with_progress(session, entry, table)
    baseline = None
    if BASELINE_SPLIT in entry.splits and entry.splits[BASELINE_SPLIT].examples:
        training = read_split(session.dataset, session.manifest, entry.name, BASELINE_SPLIT)
        baseline = trivial_baseline(entry, training, table, session.vocabulary)
    return ScoredTask(entry, table, result, baseline)


def evaluate_with_progress(session: Session, entry: TaskEntry, table: TokenTable) -> TaskResult:
    """Score one table, with a progress bar of its examples on standard error."""
    with tqdm(total=len(table), desc=entry.name, unit=" examples") as bar:
        return session.evaluator.evaluate(entry.name, table, lambda done: bar.update(done - bar.n))


if __name__ == "__main__":
    sys.exit(run_command(main))
