"""What can be typed after `python -m adapters_tf`, without loading what it runs.

Each command names the function that does it, `file.function` in this folder: TensorFlow takes
seconds to load, and is only loaded for a command line that is right.
"""

from __future__ import annotations

from typing import Any

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.local_paths import typed_dataset, typed_path

# What the registries hold that take TensorFlow to import; a test compares.
LIBRARIES = ("peft", "adapterhub")
MERGERS = ("mean", "ties", "dare", "dare_ties")
POOLINGS = ("mean", "max", "attentive")
FOLDED = "hf"  # a plain T5 with the adapter folded in, beside the libraries' own formats
CHECKPOINTS = ("best", "last", "none")

_OUT = "folder to write; an earlier one is replaced"
_RUN = "run folder that the trainer wrote"


def make_parser(description: str | None) -> OneLineParser:
    """Build the command line.

    Args:
        description: What the program is for.

    Returns:
        A parser whose result has `run_with`, the function that runs the command.
    """
    parser = OneLineParser(prog="python -m adapters_tf", description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_export, _add_import, _add_merge, _add_bank, _add_embed, _add_list):
        add(commands)
    return parser


def _add_export(commands: Any) -> None:
    parser = commands.add_parser(
        "export", help="write a task's adapter as another library's folder"
    )
    parser.add_argument("--run", type=typed_dataset, required=True, help=_RUN)
    parser.add_argument("--task", required=True, help="one of its tasks")
    parser.add_argument(
        "--format",
        required=True,
        choices=(*LIBRARIES, FOLDED),
        help=f"{FOLDED}: a plain T5 with the adapter folded into its weights",
    )
    parser.add_argument("--out", type=typed_path, required=True, help=_OUT)
    parser.add_argument(
        "--checkpoint",
        default="best",
        choices=CHECKPOINTS,
        help="by default best; none is the model before training",
    )
    parser.set_defaults(run_with="exchange.export_command")


def _add_import(commands: Any) -> None:
    parser = commands.add_parser("import", help="read another library's folder as a task's adapter")
    parser.add_argument("--format", required=True, choices=LIBRARIES)
    parser.add_argument(
        "--from", type=typed_path, required=True, dest="source", help="folder the library saved"
    )
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument("--run", type=typed_dataset, help="run folder whose model shall hold it")
    base.add_argument("--backbone", help="T5 it was trained on: a hub name or a folder")
    parser.add_argument("--task", required=True, help="the name it gets")
    parser.add_argument("--out", type=typed_path, required=True, help=_OUT)
    parser.set_defaults(run_with="exchange.import_command")


def _add_merge(commands: Any) -> None:
    parser = commands.add_parser("merge", help="make several tasks' adapters into one")
    parser.add_argument("--run", type=typed_dataset, required=True, help=_RUN)
    parser.add_argument("--tasks", required=True, help="two or more of its tasks: a,b,c")
    parser.add_argument("--how", default="mean", choices=MERGERS, help="by default mean")
    parser.add_argument("--weights", help="one number per task: 1,1,2; by default equal ones")
    parser.add_argument(
        "--density", type=float, default=0.2, help="share of entries that ties and dare keep"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what dare drops")
    parser.add_argument("--out", type=typed_path, required=True, help=_OUT)
    parser.set_defaults(run_with="merge.merge_command")


def _add_bank(commands: Any) -> None:
    parser = commands.add_parser("bank", help="add, rename or drop tasks of a run's bank")
    parser.add_argument("--run", type=typed_dataset, required=True, help=f"{_RUN}; it stays")
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="TASK=FOLDER",
        help="a task, and the folder of its adapter; may be given again, as may the others",
    )
    parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW")
    parser.add_argument("--drop", action="append", default=[], metavar="TASK")
    parser.add_argument("--out", type=typed_path, required=True, help="run folder to write")
    parser.set_defaults(run_with="bank.bank_command")


def _add_embed(commands: Any) -> None:
    parser = commands.add_parser(
        "embed", help="embed tasks by their examples, and say which are alike"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", type=typed_dataset, help="run folder whose backbone reads the examples"
    )
    source.add_argument("--backbone", help="or a T5: a hub name or a folder")
    parser.add_argument(
        "--dataset",
        type=typed_dataset,
        action="append",
        required=True,
        help="dataset folder, local or gs://; repeatable",
    )
    parser.add_argument("--tasks", default="", help="a,b,c; by default all of the datasets'")
    parser.add_argument("--examples", type=int, default=100, help="per task; by default 100")
    parser.add_argument("--pooling", default="mean", choices=POOLINGS, help="over tokens")
    parser.add_argument(
        "--keep-prefix", action="store_true", help="keep the tokens all inputs of a task begin with"
    )
    parser.add_argument(
        "--out", type=typed_path, required=True, help="file to write, .npz; beside it goes a .png"
    )
    parser.set_defaults(run_with="embed.embed_command")


def _add_list(commands: Any) -> None:
    parser = commands.add_parser("list", help="say what adapters a run holds")
    parser.add_argument(
        "run", type=typed_dataset, help=f"{_RUN}; or a T5's, for what becomes of its tensors"
    )
    parser.set_defaults(run_with="listing.list_command")
