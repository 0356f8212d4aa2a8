"""`python -m eval compare RUN RUN …`: runs side by side, and which differences are none."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_tf.commands.arguments import OneLineParser, split_names
from adapters_tf.errors import say_note
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import same_place, typed_dataset, typed_file
from adapters_tf.runs.config import CONFIG_FILE, list_runs, read_config
from adapters_tf.runs.settings import ResolvedRun, flatten_settings
from eval.report.compared_runs import (
    ComparedRun,
    choose_common_metrics,
    choose_common_tasks,
    gather_run_answers,
    note_other_ways,
    read_scored_run,
)
from eval.report.current import describe_change, is_index, name_command
from prep import UsageError

if TYPE_CHECKING:
    from eval.metrics.answers import Answers

_NAMED = 5  # settings in which columns differ


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval compare", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", type=typed_dataset, help="run folders")
    parser.add_argument("--split", default="validation", help="by default validation")
    parser.add_argument("--tasks", default="", help="names separated by commas; by default all")
    parser.add_argument(
        "--metrics",
        default="main",
        choices=("main", "all"),
        help="of each task the first metric, or all of them; by default main",
    )
    parser.add_argument(
        "--group-by",
        default="run",
        choices=("run", "settings"),
        help="a column per run (the default), or one for runs that differ in the seed alone",
    )
    parser.add_argument(
        "--dataset", type=typed_dataset, help="that they were scored on, if it was moved"
    )
    parser.add_argument(
        "--out", type=typed_file, help="folder for the table as text, LaTeX, CSV and PNG"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Compare runs.

    Args:
        argv: The words after `compare`.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(list(argv))
    if len(set(map(same_place, options.runs))) < len(options.runs):
        raise UsageError("a run is named twice")
    if len(options.runs) < 2:
        (place,) = options.runs
        within = list_runs(Path(place))
        what = f"; {place} is a folder of runs: name some of {', '.join(within)}" if within else ""
        raise UsageError(f"compare takes two runs or more{what}")
    with ExitStack() as stack:
        folders = [stack.enter_context(local_copy(run, _is_compared)) for run in options.runs]
        runs = [
            read_scored_run(name, folder, options.split)
            for name, folder in zip(options.runs, folders, strict=True)
        ]
        refuse_earlier(runs)
        _compare(options, runs)
    return 0


def _compare(options: Namespace, runs: list[ComparedRun]) -> None:
    from eval.metrics.registry import METRICS
    from eval.report.comparison import compare
    from eval.report.comparison_files import format_comparison, write_comparison
    from eval.report.page.verdict import tell_few

    tasks = choose_common_tasks(runs, list(dict.fromkeys(split_names(options.tasks))))
    note_other_ways(runs)
    columns = group_runs(runs, options.group_by)
    refuse_copies(runs, columns)
    if options.group_by == "settings" and (apart := name_differences(runs, columns)):
        say_note(f"columns differ in {apart}")
    names = name_columns([[runs[run].name for run in column] for column in columns])
    answers = gather_run_answers(runs, tasks, options.dataset or runs[0].document["dataset"])
    metrics = {}
    for task in tasks:
        scored = [name for name in choose_common_metrics(runs, task) if name in METRICS]
        metrics[task] = scored[:1] if options.metrics == "main" else scored
    rows = compare(metrics, answers, columns)
    of_columns = [[runs[run].document for run in column] for column in columns]
    told = [describe_column(column) for column in of_columns]
    notes = note_unjudged([run.name for run in runs], metrics, answers)
    few = tell_few({task: len(of_runs[0].targets) for task, of_runs in answers.items()})
    text = "\n".join([format_comparison(rows, names, told), *notes, *([few] if few else [])])
    print(text)
    if options.out is not None:
        for file in write_comparison(options.out, rows, names, text):
            print(f"wrote {file}")


def note_unjudged(
    runs: Sequence[str],
    metrics: Mapping[str, Sequence[str]],
    answers: Mapping[str, Sequence[Answers]],
) -> list[str]:
    """Say which of the compared figures are set by rule, as their metric cannot judge the answers.

    Args:
        runs: Their names.
        metrics: By task, the compared ones.
        answers: By task, those of each run.

    Returns:
        A line each.
    """
    from eval.metrics.registry import find_unjudged

    found: dict[tuple[str, str, str], list[str]] = {}
    for task, names in metrics.items():
        for run, given in zip(runs, answers[task], strict=True):
            for metric, why in find_unjudged(names, given).items():
                found.setdefault((task, metric, why), []).append(run)
    return [
        f"{task}: {metric} cannot judge {', '.join(of)}: {why}"
        for (task, metric, why), of in found.items()
    ]


def refuse_earlier(runs: Sequence[ComparedRun]) -> None:
    """Refuse figures of weights that their run no longer answers with.

    Args:
        runs: That were scored.

    Raises:
        UsageError: A run was trained on since it was scored.
    """
    for run in runs:
        if change := describe_change(run.folder, run.document):
            again = name_command(run.name, run.document)
            raise UsageError(f"{run.name}: {change}; score it anew: {again}")


def describe_column(documents: Sequence[Mapping[str, Any]]) -> str:
    """Say how many runs a column has, and of which steps, as far as their figures tell."""
    steps = sorted({one["step"] for one in documents if "step" in one})
    told = [f"{len(documents)} runs"] if len(documents) > 1 else []
    if steps:
        told.append(f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}")
    if any(one.get("steps") for one in documents):
        told[-1] += " or each task's own"
    return ", ".join(told)


def group_runs(runs: Sequence[ComparedRun], by: str) -> list[list[int]]:
    """Put runs into columns.

    Args:
        runs: In the order of the command line.
        by: "run", or "settings": those that differ in nothing but seed and place are one column.

    Returns:
        Numbers of runs by column.
    """
    if by == "run":
        return [[number] for number in range(len(runs))]
    columns: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        columns.setdefault(_settings_key(read_config(run.folder)), []).append(number)
    return list(columns.values())


def refuse_copies(runs: Sequence[ComparedRun], columns: Sequence[Sequence[int]]) -> None:
    """Refuse to take the same weights for those of two seeds.

    Args:
        runs: In the order of the command line.
        columns: Their numbers, as `group_runs` has them.

    Raises:
        UsageError: Two runs of a column have the same weights.
    """
    for column in columns:
        seen: dict[str, str] = {}
        for number in column:
            run = runs[number]
            digest = run.document.get("checkpoint_digest")
            if not digest:
                continue
            if digest in seen:
                raise UsageError(
                    f"{seen[digest]} and {run.name} have the same weights, so they are not two "
                    "seeds; name one of them"
                )
            seen[digest] = run.name


def name_differences(runs: Sequence[ComparedRun], columns: Sequence[Sequence[int]]) -> str:
    """Name the settings by which runs came into different columns.

    Args:
        runs: In the order of the command line.
        columns: Their numbers, as `group_runs` has them.

    Returns:
        Such as "training.steps, model.backbone and 3 more"; empty for one column.
    """
    flat = [flatten_settings(_compared_settings(read_config(runs[of[0]].folder))) for of in columns]
    names = [
        name
        for name in dict.fromkeys(name for one in flat for name in one)
        if len({repr(one.get(name)) for one in flat}) > 1
    ]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _settings_key(settings: ResolvedRun) -> str:
    return repr(_compared_settings(settings))


def _compared_settings(settings: ResolvedRun) -> dict[str, Any]:
    tree = settings.as_dict()
    for name in ("run", "seed", "dataset", "fingerprints", "distribution"):
        tree.pop(name, None)
    return tree


def name_columns(columns: Sequence[Sequence[str]]) -> list[str]:
    """Name columns after their runs' folders.

    Args:
        columns: Names of runs as typed, by column.

    Returns:
        The last part of a run's path; of several runs what they have in common, at its beginning or
        of the settings that a sweep names it after, or else the folder above; the whole path where
        that would not tell columns apart.
    """
    named = []
    for runs in columns:
        places = [run.rstrip("/").rpartition("/") for run in runs]
        parent = places[0][0].rpartition("/")[2]
        last = [place[2] for place in places]
        named.append(_in_common(last) or parent or last[0])
    if len(set(named)) < len(named):
        return [", ".join(runs) for runs in columns]
    return named


def _in_common(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    others = [set(name.split(",")) for name in names[1:]]
    settings = [part for part in names[0].split(",") if all(part in other for other in others)]
    if settings:  # seed=0,method=lora and seed=1,method=lora
        return ",".join(settings)
    common = _beginning(names).rstrip("-_.= ")
    return common.removesuffix("seed").rstrip("-_.=, ")


def _beginning(names: Sequence[str]) -> str:
    least, most = min(names), max(names)
    alike = (number for number, letter in enumerate(least) if letter != most[number])
    return least[: next(alike, len(least))]


def _is_compared(name: str) -> bool:
    """Tell which files of a run in a bucket are read."""
    return name == CONFIG_FILE or name.startswith("eval/") or is_index(name)
