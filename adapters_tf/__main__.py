"""`python -m adapters_tf export|import|merge|bank|embed|list`: what a person does with adapters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.arguments import OneLineParser
from adapters_tf.backbone import load_backbone
from adapters_tf.commands import bank, embed
from adapters_tf.errors import ConfigurationError
from adapters_tf.interop import LIBRARIES, export_task, import_task
from adapters_tf.interop.exchange import check_target
from adapters_tf.interop.folding import export_folded, export_tokenizer
from adapters_tf.merging import MERGERS, merge_tasks
from adapters_tf.methods import method_name, read_methods
from adapters_tf.model import TaskModel
from adapters_tf.run_listing import describe_run
from adapters_tf.runs import LoadedRun, build_backbone, load_run, read_config
from adapters_tf.task_folder import save_task, task_tensors

# The field of adapter_config.json by which our own folders are known.
OWN_MARK = "methods"
# A plain T5 with the adapter folded in, beside the libraries' own formats.
FOLDED = "hf"
INTERRUPTED = 130
# Settings that say how an adapter starts or trains, and not what it computes.
TRAINING_ONLY = ("dropout", "initialization")


def make_parser() -> OneLineParser:
    """The command line."""
    parser = OneLineParser(prog="python -m adapters_tf", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_export(commands)
    _add_import(commands)
    _add_merge(commands)
    _add_list(commands)
    bank.add_parser(commands)
    embed.add_parser(commands)
    return parser


def _add_export(commands: Any) -> None:
    parser = commands.add_parser(
        "export", help="write a task's adapter as another library's folder"
    )
    parser.add_argument("--run", required=True, help="run folder that the trainer wrote")
    parser.add_argument("--task", required=True, help="one of its tasks")
    parser.add_argument(
        "--format",
        required=True,
        choices=(*LIBRARIES, FOLDED),
        help=f"{FOLDED}: a plain T5 with the adapter folded into its weights",
    )
    parser.add_argument("--out", required=True, help="folder to write; an earlier one is replaced")
    parser.add_argument(
        "--checkpoint",
        default="best",
        choices=("best", "last", "none"),
        help="by default best; none is the model before training",
    )
    parser.set_defaults(command=export_command)


def _add_import(commands: Any) -> None:
    parser = commands.add_parser("import", help="read another library's folder as a task's adapter")
    parser.add_argument("--format", required=True, choices=tuple(LIBRARIES))
    parser.add_argument("--from", required=True, dest="source", help="folder the library saved")
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument("--run", help="run folder whose model shall hold it")
    base.add_argument("--backbone", help="T5 it was trained on: a hub name or a folder")
    parser.add_argument("--task", required=True, help="the name it gets")
    parser.add_argument("--out", required=True, help="folder to write; an earlier one is replaced")
    parser.set_defaults(command=import_command)


def _add_merge(commands: Any) -> None:
    parser = commands.add_parser("merge", help="make several tasks' adapters into one")
    parser.add_argument("--run", required=True, help="run folder that the trainer wrote")
    parser.add_argument("--tasks", required=True, help="two or more of its tasks: a,b,c")
    parser.add_argument("--how", default="mean", choices=MERGERS, help="by default mean")
    parser.add_argument("--weights", help="one number per task: 1,1,2; by default equal ones")
    parser.add_argument(
        "--density", type=float, default=0.2, help="share of entries that ties and dare keep"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what dare drops")
    parser.add_argument("--out", required=True, help="folder to write; an earlier one is replaced")
    parser.set_defaults(command=merge_command)


def _add_list(commands: Any) -> None:
    parser = commands.add_parser("list", help="say what adapters a run holds")
    parser.add_argument("run", help="run folder that the trainer wrote")
    parser.set_defaults(command=list_command)


def export_command(options: argparse.Namespace) -> None:
    """Write one task of a run as another library's folder.

    Args:
        options: Of the command line.
    """
    run = load_run(options.run, options.checkpoint, tasks=[options.task])
    if options.format == FOLDED:
        export_model(run, options.task, options.out)
        return
    base = run.config["model"]["backbone"]
    folder = export_task(run.model, options.task, options.format, options.out, base)
    print(f"wrote {folder} (weights of step {run.step})")
    print(f"there: {LIBRARIES[options.format].loading_command(folder)}")


def export_model(run: LoadedRun, task: str, out: str) -> None:
    """Write one task of a run as a plain T5, with its tokenizer where the dataset is at hand.

    Args:
        run: Opened.
        task: One of its tasks.
        out: The folder.
    """
    folder = export_folded(run.model, task, out)
    dataset, vocabulary = run.config["dataset"], run.config["vocabulary_sha256"]
    for note in export_tokenizer(dataset, vocabulary, folder):
        print(f"note: {note}")
    print(f"wrote {folder} (weights of step {run.step})")
    print(f"there: T5ForConditionalGeneration.from_pretrained({str(folder)!r})")


def merge_command(options: argparse.Namespace) -> None:
    """Make the adapters of several tasks of a run into one task folder.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The weights are no numbers, or the folder to write holds something
            else.
    """
    check_target(Path(options.out), OWN_MARK)
    tasks = options.tasks.split(",")
    model = load_run(options.run, tasks=tasks).model
    start = common_start(load_run(options.run, "none").model, tasks)
    merged = merge_tasks(
        {task: task_tensors(model, task) for task in tasks},
        options.how,
        weights=read_weights(options.weights),
        density=options.density,
        start=start,
        seed=options.seed,
    )
    name = Path(options.out).name
    print(f"wrote {save_task(model, name, options.out, merged)}")


def common_start(model: TaskModel, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the tensors that tasks had in common before training.

    Args:
        model: As it was then.
        tasks: Two or more of its tasks.

    Returns:
        Tensors by module path; those that were drawn for each task by itself are left out.
    """
    first, *others = (task_tensors(model, task) for task in tasks)
    return {
        path: tensor
        for path, tensor in first.items()
        if all(np.array_equal(tensor, other[path]) for other in others)
    }


def read_weights(text: str | None) -> list[float] | None:
    """Read numbers with commas between them.

    Args:
        text: Such as 1,1,2; None for none.

    Returns:
        The numbers.

    Raises:
        ConfigurationError: One is none.
    """
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--weights {text!r}: expected numbers such as 1,1,2") from None


def import_command(options: argparse.Namespace) -> None:
    """Read another library's folder and write a task folder of ours.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The run's adapters are of another method or other settings, or the
            folder to write holds something else.
    """
    check_target(Path(options.out), OWN_MARK)
    if options.run:
        config = read_config(options.run)
        backbone = build_backbone(config)
    else:
        config, backbone = None, load_backbone(options.backbone)
    imported = import_task(backbone, options.task, options.format, options.source)
    if config is not None:
        check_settings(options.run, config["adapters"], imported.model.methods[0])
    for note in imported.notes:
        print(f"note: {note}")
    print(f"wrote {save_task(imported.model, options.task, options.out)}")


def check_settings(run: str, adapters: Mapping[str, Any], settings: Any) -> None:
    """Make sure that a run's model computes what an imported adapter means.

    Args:
        run: The run folder, for the message.
        adapters: The section of its config.yaml.
        settings: What was imported.

    Raises:
        ConfigurationError: Another method, or settings that differ in more than training.
    """
    methods = read_methods(adapters["method"], adapters["settings"])
    if [type(method) for method in methods] != [type(settings)]:
        raise ConfigurationError(
            f"{run} has adapters of the method {adapters['method']!r}, and these are "
            f"{method_name(settings)!r}; import them with --backbone"
        )
    ours, theirs = _comparable(methods[0]), _comparable(settings)
    differing = [
        f"{name} {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]
    ]
    if differing:
        raise ConfigurationError(f"the adapters of {run} have {'; '.join(differing)}")


def _comparable(settings: Any) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in asdict(settings).items()
        if name not in TRAINING_ONLY
    }


def list_command(options: argparse.Namespace) -> None:
    """Say what adapters a run holds.

    Args:
        options: Of the command line.
    """
    for line in describe_run(options.run):
        print(line)


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code: 0, 2 for what cannot be asked, 1 for data that is not what it should be.
    """
    try:
        options = make_parser().parse_args(argv)
        options.command(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
