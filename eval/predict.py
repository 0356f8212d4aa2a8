"""`python -m eval.predict`: one answer per line to texts given on the command line."""

import sys
from collections.abc import Sequence

import numpy as np

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.local_paths import typed_dataset, typed_path
from adapters_tf.runs.config import read_config
from eval.session import Session, open_session
from prep import TokenTable, UsageError, Vocabulary, load_manifest, nearest, run_command


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval.predict", description=__doc__)
    parser.add_argument(
        "--run", type=typed_path, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument("--task", required=True, help="whose adapters answer")
    parser.add_argument(
        "--text", required=True, action="append", help="worded as the task's inputs; repeatable"
    )
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    parser.add_argument("--checkpoint", default="best", choices=("best", "last", "none"))
    return parser


def main(argv: list[str] | None = None) -> int:
    """Answer texts.

    Args:
        argv: The command line; by default the process's own.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(argv)
    settings = read_config(options.run)
    if options.task not in settings.tasks:
        raise UsageError(
            f"the run has no task {options.task!r}; {nearest(options.task, settings.tasks)}"
        )
    manifest = load_manifest(options.dataset or settings.dataset)
    manifest.task(options.task)
    if not all(text.strip() for text in options.text):
        raise UsageError("--text is empty; give it the words to answer to")
    session = open_session(
        options.run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=min(len(options.text), settings.data.batch_size),
        settings=settings,
        manifest=manifest,
    )
    for answer in answer_texts(session, options.task, options.text):
        print(answer)
    return 0


def answer_texts(session: Session, task: str, texts: Sequence[str]) -> list[str]:
    """Answer texts with a task's adapters.

    Args:
        session: The open run.
        task: Its name.
        texts: Worded as the task's inputs are in its dataset.

    Returns:
        One answer per text.

    Raises:
        UsageError: A text is empty, or there is no such task.
    """
    table = table_of_texts(texts, session.vocabulary)
    limit = session.evaluator.input_length
    for row, text in enumerate(texts):
        length = len(table.input_ids(row))
        if length > limit:
            print(f"warning: cut from {length} to {limit} tokens: {text[:60]!r}…", file=sys.stderr)
    token_ids = session.evaluator.predict_tokens(session.manifest.task(task), table)
    return [session.vocabulary.decode(ids) for ids in token_ids]


def table_of_texts(texts: Sequence[str], vocabulary: Vocabulary) -> TokenTable:
    """Make a table of examples that have inputs and no targets.

    Args:
        texts: The inputs.
        vocabulary: Turns them into token ids.

    Returns:
        A table in the order of the texts.

    Raises:
        UsageError: A text is empty.
    """
    if not all(text.strip() for text in texts):
        raise UsageError("a text is empty; give it the words to answer to")
    ids = [[*vocabulary.encode(text), vocabulary.eos_id] for text in texts]
    count = len(texts)
    return TokenTable(
        inputs=np.concatenate(ids).astype(np.uint32),
        input_offsets=np.cumsum([0, *map(len, ids)]),
        targets=np.zeros(0, np.uint32),
        target_offsets=np.zeros(count + 1, np.int64),
        labels=np.full(count, -1, np.int32),
        examples=np.arange(count),
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
