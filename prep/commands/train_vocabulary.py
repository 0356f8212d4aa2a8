"""`prep train-vocabulary`: a SentencePiece model from the texts of tasks."""

import argparse
from typing import Any

from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.commands.options import add_task_options, find_tasks, parse_local
from prep.tasks.source_choice import read_from


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    tasks = [read_from(task, arguments.source) for task in find_tasks(arguments)]
    texts = task_texts(tasks, arguments.data_dir)
    words, is_kept = words_to_keep(tasks), not arguments.force
    vocabulary = train_vocabulary(texts, arguments.out, arguments.size, words, is_kept)
    print(f"{arguments.out}: {vocabulary.pieces:,} pieces, {vocabulary.size:,} ids with sentinels")
    if vocabulary.pieces < arguments.size:
        print(f"note: not {arguments.size:,} pieces: these texts give no more")


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "train-vocabulary",
        help="train a SentencePiece vocabulary on the texts of tasks",
        description="Train a SentencePiece vocabulary on the training texts of tasks. Label words "
        "become one token each.",
    )
    add_task_options(parser)
    parser.add_argument(
        "--size",
        type=int,
        required=True,
        metavar="PIECES",
        help="pieces at most, the 100 sentinels not counted",
    )
    parser.add_argument(
        "--out", type=parse_local, required=True, metavar="FILE", help="the .model file to write"
    )
    parser.add_argument(
        "--force", action="store_true", help="write over another vocabulary of that name"
    )
    parser.set_defaults(run=run)
