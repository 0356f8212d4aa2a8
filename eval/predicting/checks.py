"""What a command line of `eval.predict` asks for and cannot have, told before TensorFlow loads."""

from __future__ import annotations

import sys
from argparse import Namespace

from eval.decoding.options import Decoding
from eval.predicting.rows import STANDARD_INPUT, RowFile
from eval.predicting.writing import added_fields
from prep import RowError, UsageError
from prep.errors import is_terminal
from prep.sources.row import check_text, is_blank


def check_counts(options: Namespace) -> None:
    """Refuse counts below 1, and probabilities that would not be shown.

    Args:
        options: The command line.

    Raises:
        UsageError: There is one of these.
    """
    for name in ("n_best", "batch_size"):
        count = getattr(options, name)
        if count is not None and count < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {count}; expected 1 or more")
    if options.probabilities and options.n_best is not None and not options.out:
        raise UsageError("--n-best shows scores, the logarithms of --probabilities: give one")


def check_source(options: Namespace) -> RowFile | None:
    """Find out where texts come from, before anything is loaded.

    Args:
        options: The command line.

    Returns:
        A file, or standard input; None where texts are given, or are to be asked for.

    Raises:
        UsageError: Options contradict each other, or the file is not there.
    """
    if options.text is not None:
        for name in ("file", "column", "template", "encoding", "out"):
            if getattr(options, name):
                raise UsageError(f"--{name} goes with a file, and --text gives the texts")
        if any(map(is_blank, options.text)):
            raise UsageError("--text is empty; give it the words to answer to")
        try:
            check_text("".join(options.text))
        except RowError as error:
            raise UsageError(f"--text is no UTF-8: {error}") from error
        return None
    name = options.file or ("" if is_terminal(sys.stdin) else STANDARD_INPUT)
    if not name:
        if options.out or options.column or options.template or options.encoding:
            raise UsageError("--out, --column, --template and --encoding go with --file")
        return None
    rows = RowFile(name, options.column, options.template, options.encoding)
    added = added_fields(options.n_best or 1)
    if options.out and (taken := [name for name in rows.columns if name in added]):
        raise UsageError(
            f"{name} has a column {taken[0]!r} already, which --out is to have; rename it"
        )
    if options.out and options.out.exists() and rows.is_file(options.out):
        raise UsageError(f"--out {options.out} is --file itself, which would be lost")
    if options.out and options.out.is_dir():
        raise UsageError(f"--out {options.out} is a folder; name a file")
    return rows


def check_labels_options(options: Namespace, decoding: Decoding, has_labels: bool) -> None:
    """Refuse options that the task's answers cannot meet.

    Args:
        options: The command line.
        decoding: What it says of decoding.
        has_labels: Whether the task has label words.

    Raises:
        UsageError: Label words are asked about where there are none, or several answers where
            there is one.
    """
    is_choice = has_labels and decoding.restricted
    if options.probabilities and not is_choice:
        raise UsageError(f"--probabilities are of label words, and {options.task} answers freely")
    is_ranked = is_choice or decoding.beams or decoding.sampling
    if options.n_best is not None and not is_ranked:
        raise UsageError("--n-best goes with --beams or --sample where answers are free")
