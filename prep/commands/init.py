"""`prep init`: a first task file, drafted from the files themselves."""

import argparse
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.commands.lines import wrap_line
from prep.commands.options import parse_local
from prep.drafting.advice import advise, find_giveaways
from prep.drafting.asking import ask_roles, ask_word, refuse_without_terminal
from prep.drafting.columns import Column, describe_column, describe_nested
from prep.drafting.drafts import Draft, draft_task, draft_tasks, task_name
from prep.drafting.looking import SeenFile, look_at
from prep.drafting.roles import Roles, guess_roles
from prep.drafting.writing import format_tasks, rows_without_answer
from prep.errors import UsageError, is_terminal
from prep.storage.durable_files import write_atomically
from prep.tasks.task import TASK_KINDS
from prep.tasks.tasks_file import load_tasks

_SHOWN_LABELS = 5
_WIDTH = 76  # of a command's line, less what goes on
SPLITS = {
    "train": ("train", "trn", "training"),
    "validation": ("validation", "valid", "val", "dev", "devel"),
    "test": ("test", "tst", "eval"),
}


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Args:
        arguments: Its options.
    """
    if arguments.out.exists() and not arguments.force:
        raise UsageError(f"{arguments.out} is there already; --force writes another one")
    files = {split: look_at(path) for split, path in share_out(arguments.files).items()}
    if not arguments.yes:
        refuse_without_terminal(is_terminal(sys.stdin))
    columns, files = common_columns(files)
    if len(files["train"].rows) == 1:
        raise UsageError(f"{files['train'].path} has one row, which tells nothing of its columns")
    roles = guess_roles(columns, arguments.answer or (), arguments.inputs or ())
    print("\n".join(describe(files, columns, roles)))
    name = task_name(arguments.name or base_name([seen.path for seen in files.values()]))
    if not arguments.yes:
        roles = ask_roles(columns, roles)
        name = task_name(ask_word("the task is called", name, ()))
    drafts = draft_tasks(name, columns, roles)
    if not arguments.yes:
        drafts = [_ask_kind(draft, columns, roles) for draft in drafts]
    print("\n".join(line for draft in drafts for line in describe_draft(draft, columns)))
    folder = Path(os.path.commonpath([one.path.resolve().parent for one in files.values()]))
    title = "Drafted by `python -m prep init`; every key: docs/adding-a-task.md"
    content = format_tasks(drafts, files, columns, roles, folder, title)
    write_atomically(arguments.out, content.encode())
    load_tasks(arguments.out)  # what is written can be read
    for line in (f"wrote {arguments.out}", *_next_commands(drafts, arguments.out, folder)):
        print(line)


def share_out(given: Sequence[str]) -> dict[str, Path]:
    """Tell which file is which split, by `split=` before it or by its name.

    Args:
        given: The files as they were typed.

    Returns:
        Files by split; a single one is for training.

    Raises:
        UsageError: Two are the same split, or nothing tells a file's.
    """
    found: dict[str, Path] = {}
    for text in given:
        split, equals, path = text.partition("=")
        if not (equals and re.fullmatch(r"[a-z_]+", split)):
            path = text
            words = re.split(r"[^a-z]+", Path(text).name.lower())
            named = [one for one, others in SPLITS.items() if set(others) & set(words)]
            split = named[0] if named else ""
        if not split and len(given) == 1:
            split = "train"
        if not split:
            raise UsageError(
                f"which split is {text}? write train={text}, validation={text} or test={text}"
            )
        if split in found:
            raise UsageError(f"{found[split]} and {path} are both for {split}")
        found[split] = Path(path)
    if len(found) == 1 and "train" not in found:
        found = {"train": next(iter(found.values()))}
    if "train" not in found:
        raise UsageError(f"none of {', '.join(given)} is for training; write train=FILE")
    return {split: found[split] for split in (*SPLITS, *found) if split in found}


def common_columns(
    files: Mapping[str, SeenFile],
) -> tuple[list[Column], dict[str, SeenFile]]:
    """Describe the columns that all files have.

    Args:
        files: By split; one of tests may lack the answers, and is left out then.

    Returns:
        The columns, of all rows together, and the files that are left.

    Raises:
        UsageError: They have no column in common.
    """
    kept = dict(files)
    train = files["train"]
    for split, seen in files.items():
        missing = [name for name in train.columns if name not in seen.columns]
        if missing and split == "test":
            print(wrap_line(f"note: {seen.path} lacks {', '.join(missing)}: it is left out"))
            del kept[split]
    names = [name for name in train.columns if all(name in one.columns for one in kept.values())]
    if not names:
        raise UsageError(f"{', '.join(str(one.path) for one in files.values())} share no column")
    rows = [row for seen in kept.values() for row in seen.rows]
    return [describe_nested(name, rows) or describe_column(name, rows) for name in names], kept


def base_name(paths: Sequence[Path]) -> str:
    """Name a task after its file, without what says the split.

    Args:
        paths: The files.

    Returns:
        A name; that of the folder where the file's says the split alone.
    """
    words = {word for words in SPLITS.values() for word in words}
    stem = paths[0].name.split(".")[0]
    left = [one for one in re.split(r"[^A-Za-z0-9]+", stem) if one and one.lower() not in words]
    return "_".join(left) or paths[0].resolve().parent.name


def describe(files: Mapping[str, SeenFile], columns: Sequence[Column], roles: Roles) -> list[str]:
    """Say what was seen, and what each column is taken for.

    Args:
        files: By split.
        columns: That they share.
        roles: Of the columns.

    Returns:
        Lines of at most 80 columns.
    """
    lines = []
    for split, seen in files.items():
        more = "" if seen.is_whole else "+"
        lines.append(f"{split}: {seen.path}, {len(seen.rows):,}{more} rows")
        lines += [wrap_line(f"  {note}") for note in seen.notes]
        if seen.faults:
            count = len(seen.faults)
            lines.append(wrap_line(f"  {count:,} rows cannot be read: {seen.faults[0]}"))
    lines += [""]
    for column in columns:
        if column.name in roles.answers:
            role = f"answer: {roles.why[column.name]}"
        elif column.name in roles.inputs:
            role = "asked about"
        else:
            role = f"left out: {roles.left_out.get(column.name, 'it was not named')}"
        is_seen = column.name and column.name.isprintable()
        name = column.name if is_seen else repr(column.name)
        lines.append(wrap_line(f"  {name:<16} {_what(column):<26} {role}"))
    rows = [row for seen in files.values() for row in seen.rows]
    said = [*advise(columns, roles), *find_giveaways(columns, roles, rows)]
    notes = [wrap_line(f"note: {one}") for one in said]
    return [*lines, "", *notes]


def _what(column: Column) -> str:
    if column.are_lists:
        return "lists of texts"
    if column.are_numbers:
        return f"numbers, {column.distinct:,} different"
    return f"texts, {column.distinct:,} different"


def describe_draft(draft: Draft, columns: Sequence[Column]) -> list[str]:
    """Say what a task was taken for, and why; how its answers are shared out; how long texts are.

    Args:
        draft: The task.
        columns: Of the file.

    Returns:
        Lines of at most 80 columns.
    """
    by_name = {column.name: column for column in columns}
    taken_for = draft.why.get("kind") or draft.why.get("objective")
    said = [f"{draft.kind} ({taken_for})" if taken_for else draft.kind]
    answer = by_name.get(draft.answer)
    if answer and draft.labels:
        counts: Counter[str] = Counter()
        for value, count in answer.counts.items():
            counts[draft.labels.get(value, value)] += count
        shown = counts.most_common(_SHOWN_LABELS)
        shares = ", ".join(f"{value} {count / answer.filled:.0%}" for value, count in shown)
        said.append(shares + (" and others" if len(counts) > len(shown) else ""))
    said += [draft.why[key] for key in ("labels", "truncation") if key in draft.why]
    if answer and (without := rows_without_answer(answer)):
        said.append(f"{without:,} rows without an answer are left out")
    said.append(f"inputs of {sum(by_name[name].words for name in draft.inputs):.0f} words")
    if answer and not (draft.labels or answer.are_numbers or answer.are_lists):
        said[-1] += f", answers of {answer.words:.0f}"
    reason = f" ({draft.why['metrics']})" if "metrics" in draft.why else ""
    said.append(f"scored by {', '.join(draft.metrics)}{reason}")
    return [wrap_line(f"{draft.name}: {'; '.join(said)}")]


def _ask_kind(draft: Draft, columns: Sequence[Column], roles: Roles) -> Draft:
    if not draft.answer:
        return draft
    kind = ask_word(f"{draft.name} is a task of", draft.kind, TASK_KINDS)
    if kind == draft.kind:
        return draft
    answer = next(column for column in columns if column.name == draft.answer)
    words = sum(column.words for column in columns if column.name in roles.inputs)
    return draft_task(draft.name, answer, roles, words, kind)


def _next_commands(drafts: Sequence[Draft], out: Path, folder: Path) -> list[str]:
    names = ",".join(draft.name for draft in drafts)
    near = os.path.relpath(folder)
    place = str(folder) if near.startswith(os.pardir) else near
    source = ["--tasks", names, "--tasks-file", str(out), "--data-dir", place]
    dataset = f"data/{task_name(out.stem if len(drafts) > 1 else drafts[0].name)}"
    build = ["build", *source, "--vocabulary", "spiece.model", "--out", dataset]
    train = ["train-vocabulary", *source, "--size", "2000", "--out", "spiece.model"]
    return [
        "next, with spiece.model of the T5 that you will train:",
        *_broken(build),
        "to train a T5 from scratch, a vocabulary of these texts comes first:",
        *_broken(train),
    ]


def _broken(words: Sequence[str]) -> list[str]:
    """Write a command in lines that can be typed together."""
    lines = ["  python -m prep " + words[0]]
    for option, value in zip(words[1::2], words[2::2], strict=True):
        part = f"{option} {shlex.quote(value)}"
        if len(lines[-1]) + len(part) > _WIDTH:
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f" {part}"
    return lines


def _names(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def add_parser(commands: Any) -> None:
    """Add the command and its options.

    Args:
        commands: What argparse's `add_subparsers` returned.
    """
    parser = commands.add_parser(
        "init",
        help="draft a task file from files of your own",
        description="Look at files, guess which columns are asked about and which hold the answers,"
        " and write a task file with the reasons. In a terminal, each guess is asked.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=".csv, .tsv, .jsonl, .json, .txt, .parquet or .xlsx; one for each split, named after "
        "it or written as train=FILE",
    )
    parser.add_argument(
        "--out",
        type=parse_local,
        default=Path("tasks.yaml"),
        metavar="FILE",
        help="the task file to write (default: tasks.yaml)",
    )
    parser.add_argument("--name", help="of the task; by default after the file")
    parser.add_argument(
        "--answer", type=_names, metavar="COLUMN,COLUMN", help="columns of answers, a task each"
    )
    parser.add_argument(
        "--inputs", type=_names, metavar="COLUMN,COLUMN", help="columns that are asked about"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing, take what is guessed")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(run=run)
