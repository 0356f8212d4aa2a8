"""`python -m eval.predict`: one answer per line to texts given on the command line.

With `--n-best`, an answer is a line of its rank, its score and its text, with tabs between them.
"""

from __future__ import annotations

import itertools
import math
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.errors import say_note
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import typed_dataset
from adapters_tf.runs.config import read_config
from eval.decoding.options import Beams, add_beam_options, read_beam_options
from prep import (
    Manifest,
    TaskEntry,
    TokenTable,
    UsageError,
    Vocabulary,
    load_manifest,
    nearest,
    read_split,
    read_vocabulary,
    run_command,
)
from prep.tokens.vocabulary import EOS_MARK

if TYPE_CHECKING:  # loading TensorFlow takes seconds: only for a command line that is right
    from eval.session import Session

START_EXAMPLES = 100  # of which it is seen how a task's inputs begin


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval.predict", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", type=typed_dataset, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument("--task", required=True, help="whose adapters answer")
    parser.add_argument(
        "--text",
        required=True,
        action="append",
        help="worded as the task's inputs, with </s> between the texts of choices; repeatable",
    )
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    parser.add_argument("--checkpoint", default="best", choices=("best", "last", "none"))
    add_beam_options(parser)
    parser.add_argument("--n-best", type=int, help="answers to a text, at most as many as --beams")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Answer texts.

    Args:
        argv: The command line; by default the process's own.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(argv)
    beams = read_beam_options(options)
    with local_copy(options.run) as folder:
        return _answer(options, beams, str(folder))


def _answer(options: Namespace, beams: Beams | None, run: str) -> int:
    """Answer by a run whose folder is on this machine, if only as a copy."""
    settings = read_config(run)
    if options.task not in settings.tasks:
        raise UsageError(
            f"the run has no task {options.task!r}; {nearest(options.task, settings.tasks)}"
        )
    manifest = load_manifest(options.dataset or settings.dataset)
    if not all(text.strip() for text in options.text):
        raise UsageError("--text is empty; give it the words to answer to")
    dataset = options.dataset or settings.dataset
    if options.task in manifest.tasks:
        check_choices(options.text, manifest.tasks[options.task])
        warn_of_other_starts(options.text, dataset, manifest, options.task)
    else:  # added to the run's bank, say
        say_note(f"{dataset} does not know {options.task}: its answers are decoded as free text")
    from eval.session import open_session

    session = open_session(
        run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=min(len(options.text), settings.data.batch_size),
        beams=beams,
        settings=settings,
        manifest=manifest,
    )
    answers = answer_texts(session, options.task, options.text)
    if options.n_best is None:
        for best, *_ in answers:
            print(best.text)
        return 0
    for ranked in answers:
        for rank, answer in enumerate(ranked, 1):
            print(f"{rank}\t{answer.score:.4f}\t{answer.text}")
    return 0


def check_choices(texts: Sequence[str], entry: TaskEntry) -> None:
    """Make sure that inputs of a task with choices are those of all of them.

    Args:
        texts: The inputs.
        entry: Of the task.

    Raises:
        UsageError: One of them has more choices or fewer.
    """
    for text in texts if entry.choices else ():
        if (found := text.count(EOS_MARK) + 1) != entry.choices:
            raise UsageError(
                f"{entry.name} has {entry.choices} choices, to be given as so many texts with "
                f"{EOS_MARK} between them; {found} in {text[:40]!r}"
            )


def warn_of_other_starts(texts: Sequence[str], dataset: str, manifest: Manifest, task: str) -> None:
    """Say which texts do not begin as the task's inputs do: its name or words are missing.

    Args:
        texts: The inputs.
        dataset: The dataset folder, of which some examples are read.
        manifest: Its manifest.
        task: The task.
    """
    splits = manifest.task(task).splits
    split = "train" if "train" in splits else next(iter(splits))
    vocabulary = read_vocabulary(dataset, manifest)
    start = usual_start(read_split(dataset, manifest, task, split), vocabulary)
    for text in texts:
        if not vocabulary.normalize(text).startswith(start):
            print(
                f"warning: inputs of {task} begin with {start!r}, and this does not: {text[:40]!r}",
                file=sys.stderr,
            )


def usual_start(table: TokenTable, vocabulary: Vocabulary) -> str:
    """Find the words that all inputs of a task begin with.

    Args:
        table: Examples of the task.
        vocabulary: Of their dataset.

    Returns:
        What up to a hundred examples have in common; empty if that is nothing, or if there is one
        example only.
    """
    inputs = [table.input_ids(row).tolist() for row in range(min(len(table), START_EXAMPLES))]
    if len(inputs) < 2:
        return ""
    same = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*inputs, strict=False))
    return vocabulary.decode(tokens[0] for tokens in same)


@dataclass(frozen=True)
class RankedAnswer:
    """One of the answers to a text.

    Attributes:
        text: The answer.
        score: Of beam search, its log-probability over length ** length_penalty; NaN of others.
    """

    text: str
    score: float


def answer_texts(session: Session, task: str, texts: Sequence[str]) -> list[list[RankedAnswer]]:
    """Answer texts with a task's adapters.

    Args:
        session: The open run.
        task: Its name.
        texts: Worded as the task's inputs are in its dataset; of a task with choices, those of all
            choices with `</s>` between them.

    Returns:
        The answers to each text, the best first: one, or as many as the session's beams give.

    Raises:
        UsageError: A text is empty or not of as many choices as the task has, or the run has no
            such task.
    """
    entry = session.manifest.tasks.get(task)
    if entry is not None:
        check_choices(texts, entry)
    table = table_of_texts(texts, session.vocabulary)
    limit = session.evaluator.input_length
    lengths = table.text_lengths(entry.choices if entry else 0).reshape(len(texts), -1)
    for length, text in zip(lengths.max(-1).tolist(), texts, strict=True):
        if length > limit:
            print(f"warning: cut from {length} to {limit} tokens: {text[:60]!r}…", file=sys.stderr)
    if session.run.model.has_head(task):
        if entry is None:
            raise UsageError(
                f"{session.dataset} does not know {task}, so nothing says what its head's answers "
                "mean; give --dataset one that does"
            )
        given = session.evaluator.answer_by_head(entry, table)
        return [[RankedAnswer(text, math.nan)] for text in given]
    if entry is None:
        length = session.run.settings.data.target_length
        entry = TaskEntry(task, "generation", (), (), (), length, 1, {})
    found = session.evaluator.predict_answers(entry, table)
    if isinstance(found, np.ndarray):
        return [[RankedAnswer(session.vocabulary.decode(ids), math.nan)] for ids in found]
    return [
        [
            RankedAnswer(session.vocabulary.decode(ids), float(score))
            for ids, score in zip(tokens, scores, strict=True)
        ]
        for tokens, scores in zip(found.tokens, found.scores, strict=True)
    ]


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
