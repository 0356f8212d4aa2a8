"""`python -m eval`: score a run on a split of its dataset, and write figures and predictions."""

import sys
from argparse import BooleanOptionalAction, Namespace
from pathlib import Path

from adapters_tf.commands.arguments import OneLineParser, read_weights, split_names
from adapters_tf.files.bucket_runs import is_read, local_copy
from adapters_tf.files.local_paths import typed_dataset, typed_file
from adapters_tf.runs.config import read_config
from eval.choice import choose_tasks
from eval.decoding.options import (
    Decoding,
    add_decoding_options,
    add_search_options,
    read_decoding_options,
)
from prep import UsageError, load_manifest, run_command


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval", description=__doc__)
    parser.epilog = (
        "`python -m eval compare --help`: runs side by side. `python -m eval report --help`: a "
        "page of one run or two. `python -m eval submit --help`: files for the servers of GLUE and "
        "SuperGLUE. `python -m eval export-serving --help`: a SavedModel that takes strings. "
        "`python -m eval serve --help`: answers over HTTP from such a folder."
    )
    parser.add_argument(
        "--run", type=typed_dataset, required=True, help="run folder that the trainer wrote"
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
    add_decoding_options(parser)
    add_search_options(parser)
    parser.add_argument(
        "--causal-qa",
        type=typed_file,
        metavar="FILE",
        help="of one task with texts for answers: figures and predictions in that study's shape",
    )
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
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["compare"]:
        from eval.compare import main as compare_runs

        return compare_runs(words[1:])
    if words[:1] == ["predict"]:
        from eval.predict import main as predict

        return predict(words[1:])
    if words[:1] == ["report"]:
        from eval.reporting import main as write_report

        return write_report(words[1:])
    if words[:1] == ["submit"]:
        from eval.submit import main as submit

        return submit(words[1:])
    if words[:1] == ["export-serving"]:
        from eval.export_serving import main as export_serving

        return export_serving(words[1:])
    if words[:1] == ["serve"]:
        from eval.serve import main as serve

        return serve(words[1:])
    options = make_parser().parse_args(words)
    names = list(dict.fromkeys(split_names(options.tasks)))
    average, weights = split_names(options.average), read_weights(options.weights)
    check_average(average, weights, options.checkpoint)
    decoding = read_decoding_options(options)
    with local_copy(options.run, _is_wanted) as folder:
        written = _score(options, names, average, weights, decoding, folder)
        from eval.report.files import send_figures

        send_figures(options.run, folder, written)
    return 0


def _is_wanted(name: str) -> bool:
    """Tell which files of a run in a bucket are read: earlier figures and the log are too."""
    return is_read(name) or name == "metrics.jsonl" or name.startswith("eval/")


def _score(
    options: Namespace,
    names: list[str],
    average: list[str],
    weights: list[float] | None,
    decoding: Decoding,
    folder: Path,
) -> list[Path]:
    """Score a run whose folder is on this machine, if only as a copy; list what was written."""
    settings = read_config(folder)
    # Mistakes in names are found before the model is built.
    manifest = load_manifest(options.dataset or settings.dataset)
    entries = choose_tasks(names, settings, manifest, options.split)
    from eval.metrics.registry import check_metrics
    from eval.scoring import score_run
    from eval.session import open_session, scoring_together

    check_metrics(entries)
    if options.causal_qa is not None:
        from eval.report.causal_qa import check_causal_qa

        check_causal_qa(entries)
    session = open_session(
        str(folder),
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size,
        logical_devices=options.logical_devices,
        jit_compile=options.jit_compile,
        average=average,
        weights=weights,
        decoding=decoding,
        settings=settings,
        manifest=manifest,
    )
    session.evaluator.answerer.check_lengths(entries)
    with scoring_together(session.evaluator.answerer.strategy):
        return score_run(
            session,
            options.run,
            entries,
            options.split,
            checkpoint=options.checkpoint,
            average=average,
            weights=weights,
            causal_qa=options.causal_qa,
        )


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


if __name__ == "__main__":
    sys.exit(run_command(main))
