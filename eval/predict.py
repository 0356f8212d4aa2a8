"""`python -m eval.predict`: answer texts given on the command line, in a file, or one by one.

Without `--text` and `--file`, texts are asked for in a terminal, and read from standard input
elsewhere. Answers are a line each; with `--n-best`, a line is an answer's rank, its score and its
text, and with `--probabilities` a text's line goes on with them, tabs between.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.errors import say_note
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import typed_dataset, typed_file
from adapters_tf.runs.config import read_config
from adapters_tf.runtime.workers import refuse_workers
from eval.decoding.options import (
    Decoding,
    add_decoding_options,
    add_search_options,
    describe_decoding,
    read_decoding_options,
)
from eval.predicting.asking import Answer, TextAnswerer, check_choices, find_start
from eval.predicting.checks import check_counts, check_labels_options, check_source
from eval.predicting.rows import RowFile
from eval.predicting.writing import AnswerFile, describe_row, name_columns
from prep import UsageError, load_manifest, nearest, run_command

if TYPE_CHECKING:  # loading TensorFlow takes seconds: only for a command line that is right
    from collections.abc import Iterator

    from eval.predicting.rows import AskedRow
    from eval.session import Session

BATCHES_AT_ONCE = 8  # of a file: that are read, answered and written down before the next ones
_WARNINGS = 3  # of inputs that begin otherwise than the task's
_WARNED = 200  # characters of a row that cannot be read


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval.predict", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", type=typed_dataset, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument("--task", required=True, help="whose adapters answer")
    parser.add_argument(
        "--text",
        action="append",
        help="worded as the task's inputs, with </s> between the texts of choices; repeatable",
    )
    parser.add_argument(
        "--file", help=".csv, .tsv, .jsonl, .txt, .parquet or .xlsx; - for standard input"
    )
    parser.add_argument("--column", help="of --file that holds the texts")
    parser.add_argument(
        "--template", help="what texts are made of: 'rte sentence1: {premise} sentence2: {claim}'"
    )
    parser.add_argument("--encoding", help="of --file; by default utf-8")
    parser.add_argument(
        "--out", type=typed_file, help="where answers to --file go: .jsonl, .csv, .tsv or .txt"
    )
    parser.add_argument("--batch-size", type=int, help="over all replicas; by default the run's")
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    parser.add_argument("--checkpoint", default="best", choices=("best", "last", "none"))
    parser.add_argument(
        "--probabilities", action="store_true", help="show those of all label words"
    )
    add_decoding_options(parser)
    add_search_options(parser)
    parser.add_argument(
        "--n-best", type=int, help="answers to a text: label words, beams or samples"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Answer texts.

    Args:
        argv: The command line; by default the process's own.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(argv)
    decoding = read_decoding_options(options)
    refuse_workers("answering texts")
    check_counts(options)
    rows = check_source(options)
    with local_copy(options.run) as folder:
        return _answer(options, decoding, rows, str(folder))


def _answer(options: Namespace, decoding: Decoding, rows: RowFile | None, run: str) -> int:
    """Answer by a run whose folder is on this machine, if only as a copy."""
    settings = read_config(run)
    if options.task not in settings.tasks:
        raise UsageError(
            f"the run has no task {options.task!r}; {nearest(options.task, settings.tasks)}"
        )
    dataset = options.dataset or settings.dataset
    manifest = load_manifest(dataset)
    entry, start = manifest.tasks.get(options.task), ""
    if entry is not None:
        check_choices(options.text or (), entry)
        start = find_start(dataset, manifest, options.task)
    else:  # added to the run's bank, say
        say_note(f"{dataset} does not know {options.task}: its answers are decoded as free text")
    check_labels_options(options, decoding, bool(entry and entry.label_words))
    from eval.session import open_session

    most = len(options.text) if options.text else (settings.data.batch_size if rows else 1)
    session = open_session(
        run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size or min(most, settings.data.batch_size),
        decoding=decoding,
        settings=settings,
        manifest=manifest,
    )
    vocabulary = session.vocabulary
    starts = StartWarnings(options.task, start, vocabulary.normalize)
    answerer = TextAnswerer(session, options.task, options.n_best or 1)
    if rows is not None:
        labels = entry.label_words if entry else ()
        question = describe_question(options, session, decoding, labels) | rows.describe()
        at_once = answerer.batch_size * (BATCHES_AT_ONCE if options.out else 1)
        return answer_rows(options, rows, answerer, starts, question, at_once)
    for texts in [options.text] if options.text else _typed_texts(options.task, start):
        starts.check(texts)
        for answer in answerer(texts):
            show(answer, options)
    return 0


def describe_question(
    options: Namespace, session: Session, decoding: Decoding, labels: Sequence[str]
) -> dict[str, Any]:
    """Say what answers depend on beside the rows: those of a run before may be kept if it is so.

    Args:
        options: The command line.
        session: The open run.
        decoding: How answers are found.
        labels: The task's label words, if it has some.

    Returns:
        What JSON can hold.
    """
    return {
        "run": options.run,
        "step": session.run.step,
        "checkpoint": options.checkpoint,
        "checkpoint_digest": session.run.checkpoint_digest,
        "task": options.task,
        "vocabulary": session.manifest.vocabulary.sha256,
        "labels": list(labels),
        "n_best": options.n_best,
        "decoding": describe_decoding(decoding),
    }


class StartWarnings:
    """Says which texts do not begin as the task's inputs do: its name or words are missing.

    Args:
        task: Its name.
        start: How they begin; empty if nothing is known.
        normalize: Of the vocabulary.
    """

    def __init__(self, task: str, start: str, normalize: Callable[[str], str]):
        self.task, self.start, self.normalize = task, start, normalize
        self.found = 0

    def check(self, texts: Sequence[str]) -> None:
        """Warn of the first few, and count the others."""
        for text in texts:
            if self.normalize(text).startswith(self.start):
                continue
            self.found += 1
            if self.found <= _WARNINGS:
                what = f"inputs of {self.task} begin with {self.start!r}, and this does not"
                print(f"warning: {what}: {text[:40]!r}", file=sys.stderr)

    def conclude(self) -> None:
        """Say how many there were, if more than were shown."""
        if self.found > _WARNINGS:
            print(f"warning: {self.found:,} texts begin otherwise", file=sys.stderr)


def answer_rows(
    options: Namespace,
    rows: RowFile,
    answerer: TextAnswerer,
    starts: StartWarnings,
    question: dict[str, Any],
    at_once: int,
) -> int:
    """Answer the rows of a file, in their order.

    Args:
        options: The command line.
        rows: The file.
        answerer: What answers.
        starts: Told of the texts.
        question: What the answers are to, for whoever goes on after a kill.
        at_once: Rows to read at a time.

    Returns:
        1 if rows could not be read, else 0.
    """
    from tqdm import tqdm

    columns = name_columns(rows.columns, options.n_best or 1, answerer.is_choice)
    question = {**question, "columns": columns}
    out = AnswerFile(options.out, question, columns) if options.out else None
    parts = rows.read(at_once)
    skip = out.rows if out else 0
    if out and skip:
        say_note(f"{skip:,} rows are answered already; going on after them")
        answerer.asked = skip - out.faults
    faults, is_whole, done = out.faults if out else 0, False, 0
    try:
        with tqdm(unit=" rows", disable=None if out else True, initial=skip) as bar:
            for part in out.leave_out_answered(parts) if out else parts:
                texts = [row.text for row in part if not row.fault]
                starts.check(texts)
                answers = iter(answerer(texts) if texts else ())
                pairs = [(row, None if row.fault else next(answers)) for row in part]
                faults += sum(bool(row.fault) for row in part)
                if out:
                    out.write([describe_row(*pair, options.n_best or 1) for pair in pairs])
                else:
                    for number, (row, answer) in enumerate(pairs, done + 1):
                        show_row(number, row, answer, options)
                done += len(part)
                bar.update(len(part))
        is_whole = True
    finally:
        if out:
            out.close(is_whole=is_whole)
    starts.conclude()
    if out:
        print(f"wrote {options.out}: {out.rows:,} rows")
    if faults:
        rows_of_it = "1 row" if faults == 1 else f"{faults:,} rows"
        print(f"error: {rows_of_it} could not be read", file=sys.stderr)
    return int(bool(faults))


def show_row(number: int, row: AskedRow, answer: Answer | None, options: Namespace) -> None:
    """Print the answer to a row; an empty line where it has a fault."""
    if answer is None:
        print(flush=True)
        what = f": {dict(row.fields)}" if row.fields else ""
        print(f"warning: row {number:,}: {row.fault}{what}"[:_WARNED], file=sys.stderr)
    else:
        show(answer, options)


def show(answer: Answer, options: Namespace) -> None:
    """Print an answer.

    Args:
        answer: To one text.
        options: The command line.
    """
    if options.n_best is not None:
        for rank, one in enumerate(answer.ranked, 1):
            print(f"{rank}\t{one.score:.4f}\t{one.text}", flush=True)
        return
    shares = [f"{word}={share:.4f}" for word, share in answer.probabilities.items()]
    print("\t".join([answer.text, *(shares if options.probabilities else ())]), flush=True)


def _typed_texts(task: str, start: str) -> Iterator[list[str]]:
    """Ask for texts in a terminal, until an empty line or the end of input."""
    print(f"{task}: a text, worded as its inputs are{f': {start}…' if start else ''}")
    print("an empty line ends")
    while True:
        try:
            text = input("> ")
        except EOFError:
            print()
            return
        if not text.strip():
            return
        yield [text]


if __name__ == "__main__":
    sys.exit(run_command(main))
