"""`python -m eval report RUN [RUN]`: what was scored as one HTML file, or two runs side by side."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import same_place, typed_dataset, typed_file
from adapters_tf.runs.config import CONFIG_FILE
from prep import UsageError

MOST_RUNS = 2


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval report", description=__doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", type=typed_dataset, help="one or two run folders"
    )
    parser.add_argument("--split", default="validation", help="by default validation")
    parser.add_argument(
        "--out", type=typed_file, metavar="FILE", required=True, help="to write, .html"
    )
    parser.add_argument(
        "--embeddings",
        type=typed_file,
        metavar="FILE",
        help="of tasks, from `python -m adapters_tf embed`: shows which are alike",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Write a report.

    Args:
        argv: The words after `report`.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(list(argv))
    if len(options.runs) > MOST_RUNS:
        raise UsageError(f"report takes one run or two, got {len(options.runs)}")
    if len(set(map(same_place, options.runs))) < len(options.runs):
        raise UsageError("a run is named twice")
    if options.out.suffix != ".html":
        raise UsageError(f"--out {options.out}: expected a file that ends in .html")
    with ExitStack() as stack:
        folders = [stack.enter_context(local_copy(run, _is_shown)) for run in options.runs]
        _write(options.runs, folders, options.split, options.out, options.embeddings)
    print(f"wrote {options.out}")
    return 0


def _write(
    names: Sequence[str], folders: Sequence[Path], split: str, out: Path, embeddings: Path | None
) -> None:
    from eval.report.compared_runs import choose_common_tasks, read_scored_run
    from eval.report.page.matrices import show_similarity
    from eval.report.page.report_data import gather_report
    from eval.report.page.run_files import name_runs, read_run_files, read_similarity
    from eval.report.page.writing import write_page

    runs = [
        read_run_files(name, folder, folder / "eval", split)
        for name, folder in zip(names, folders, strict=True)
    ]
    tasks = list(runs[0].document["tasks"])
    if len(runs) > 1:
        pairs = zip(names, folders, strict=True)
        tasks = choose_common_tasks([read_scored_run(*pair, split) for pair in pairs], ())
    similarity = None
    if embeddings is not None:
        alike, cosines = read_similarity(embeddings, tasks)
        if len(alike) < 2:
            raise UsageError(f"{embeddings} has embeddings of no two tasks of the report")
        similarity = show_similarity(alike, cosines)
    write_page(out, gather_report(runs, name_runs(names), tasks, similarity))


def _is_shown(name: str) -> bool:
    """Tell which files of a run in a bucket are read."""
    from eval.report.current import is_index
    from eval.report.page.run_files import LOG_FILE

    return name in (CONFIG_FILE, LOG_FILE) or name.startswith("eval/") or is_index(name)
