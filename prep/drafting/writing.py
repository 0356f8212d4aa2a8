"""A task file as text: keys with the reasons they were given, ready to be changed by hand."""

from __future__ import annotations

import decimal
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from prep.drafting.advice import advise
from prep.drafting.columns import Column
from prep.drafting.drafts import Draft
from prep.drafting.looking import SeenFile
from prep.drafting.roles import FEW, Roles

VALIDATION_SHARE = 0.1
NO_ANSWER = "no answer"  # what a model writes where a row has none
_WIDTH = 96  # of comments
_SHOWN_LABELS = 12
_DOCUMENT_WORDS = 20  # on average
_MULTIPLES = 20  # that rounded numbers have at least
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_YAML_WORDS = {"yes", "no", "true", "false", "null", "on", "off", "y", "n"}


def format_tasks(
    drafts: Sequence[Draft],
    files: Mapping[str, SeenFile],
    columns: Sequence[Column],
    roles: Roles,
    folder: Path,
    title: str,
) -> str:
    """Write drafts as a task file.

    Args:
        drafts: The tasks.
        files: By split.
        columns: Of the first file.
        roles: Of the columns.
        folder: The data folder, which the files' names are relative to.
        title: What the first comment says.

    Returns:
        YAML.
    """
    renamed = safe_names(columns)
    lines = [line for text in (title, *advise(columns, roles)) for line in _comment(text)] + [""]
    by_name = {column.name: column for column in columns}
    for draft in drafts:
        lines += _format_task(draft, files, by_name, roles, folder, renamed)
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def safe_names(columns: Sequence[Column]) -> dict[str, str]:
    """Find names for columns whose own cannot stand in a template.

    Args:
        columns: Of the file.

    Returns:
        Their names → the new ones.
    """
    taken = {column.name for column in columns}
    renamed = {}
    for number, column in enumerate(columns, 1):
        if column.is_nested or re.fullmatch(r"[^\W\d][\w ]*", column.name):
            continue
        base = re.sub(r"\W+", "_", column.name).strip("_")
        new = base if re.match(r"[^\W\d]", base) else f"column_{base or number}"
        while new in taken:
            new += "_"
        taken.add(new)
        renamed[column.name] = new
    return renamed


def _format_task(
    draft: Draft,
    files: Mapping[str, SeenFile],
    by_name: Mapping[str, Column],
    roles: Roles,
    folder: Path,
    renamed: Mapping[str, str],
) -> list[str]:
    def named(column: str) -> str:
        return renamed.get(column, column)

    lines = [f"- name: {draft.name}", f"  kind: {draft.kind}"]
    lines[-1] += f"  # {draft.why['kind']}" if "kind" in draft.why else ""
    lines += [f"  folder: {_scalar('.')}", "  files:"]
    for split, seen in files.items():
        lines += [f"    {split}: {_format_file(seen, folder, renamed)}"]
        lines += [f"    # {note}" for note in seen.notes]
    if "validation" not in files:
        carve = f"{{split: validation, from: train, share: {VALIDATION_SHARE}}}"
        lines += [f"  carve: {carve}  # no file to validate on: rows drawn at random"]
    for name, reason in roles.left_out.items():
        lines += [f"  # {named(name)} is left out: {reason}"]
    template = " ".join(
        [f"{draft.name}:", *(_part(named(name), len(draft.inputs)) for name in draft.inputs)]
    )
    lines += _gaps(draft, by_name)
    if not draft.answer:
        lines += [f"  inputs: {_quoted('{' + named(draft.inputs[0]) + '}')}"]
        lines += _comment(draft.why["objective"], "  ")
        lines += ["  objective: span_corruption"]
    else:
        lines += [f"  inputs: {_quoted(template)}"]
        is_table = all(seen.spec.format in ("csv", "tsv") for seen in files.values())
        lines += _format_answer(draft, by_name[draft.answer], named(draft.answer), is_table)
    reason = f"  # {draft.why['metrics']}" if "metrics" in draft.why else ""
    lines += [f"  metrics: [{', '.join(draft.metrics)}]{reason}"]
    for name in draft.inputs:
        if is_document(column := by_name[name]):
            told = f"{column.distinct:,} of them; intervals draw the rows of one together"
            lines += [f"  document: {_quoted('{' + named(name) + '}')}  # {told}"]
            break
    if draft.truncation != "head":
        lines += [f"  truncation: {draft.truncation}  # {draft.why['truncation']}"]
    return lines


def is_document(column: Column) -> bool:
    """Tell whether several rows are about each of the texts in a column."""
    return 1 < column.distinct < column.filled and column.words >= _DOCUMENT_WORDS


def _format_answer(draft: Draft, answer: Column, name: str, is_table: bool) -> list[str]:
    reason = f"  # {draft.why['answer']}"
    if answer.are_lists:
        lines = [f"  answers: {_scalar(name)}{reason}"]
        return [*lines, f"  no_answer: {NO_ANSWER}"] if answer.empty_lists else lines
    lines = [f"  targets: {_quoted('{' + name + '}')}{reason}"]
    lines += _leave_out(answer, name, is_table)
    if draft.kind == "regression" and (step := rounding_step(answer)):
        fewer = f"fewer than {answer.distinct:,} numbers to learn, as T5 writes STS-B's"
        lines += [f"  round: {{{_scalar(name)}: {step}}}  # {fewer}"]
    if draft.labels:
        note = f"  # {draft.why['labels']}" if "labels" in draft.why else ""
        lines += [f"  labels:{note}"]
        for number, (value, word) in enumerate(draft.labels.items()):
            share = answer.counts.get(value, 0) / max(answer.filled, 1)
            told = f"  # {answer.counts.get(value, 0):,} rows, {share:.0%}"
            told = told if number < _SHOWN_LABELS else ""
            lines += [f"    {_scalar(value)}: {_scalar(word)}{told}"]
        are_numbers = all(re.fullmatch(r"-?\d+", word) for word in draft.labels.values())
        if are_numbers and draft.kind == "classification":
            lines += ["    # words say more to a T5 than numbers: give the classes names"]
    return lines


def rounding_step(column: Column) -> str:
    """Choose the multiple that numbers are rounded to, so that a model has few to learn.

    Args:
        column: Of numbers.

    Returns:
        1, 2 or 5 times a power of ten, the largest with 20 multiples between the least number and
        the greatest: 0.2 for STS-B's 0 to 5. Empty where there are few numbers already.
    """
    numbers = [decimal.Decimal(value) for value in column.counts]
    if column.are_whole or not column.are_numbers or len(numbers) <= FEW:
        return ""
    step = (max(numbers) - min(numbers)) / _MULTIPLES
    power = decimal.Decimal(10) ** step.adjusted()
    return format(max(one * power for one in (1, 2, 5) if one * power <= step), "f")


def rows_without_answer(answer: Column) -> int:
    """Count the rows that a draft leaves out for want of an answer."""
    return 0 if answer.are_lists else answer.empty + sum(answer.missing.values())


def _leave_out(answer: Column, name: str, is_table: bool) -> list[str]:
    """Leave out rows without an answer, in the keys of a task file."""
    lines = []
    if answer.empty:
        if not is_table:  # a row may lack the field, or have a null there
            lines += [f'  defaults: {{{_scalar(name)}: ""}}']
        without = f"{answer.empty:,} rows have no answer, and are left out"
        lines += [f"  keep: {{{_scalar(name)}: '(?s).*\\S.*'}}  # {without}"]
    if answer.missing:
        words = "|".join(map(re.escape, answer.missing))
        without = f"{sum(answer.missing.values()):,} rows have no answer but this, and are left out"
        lines += [f"  skip: {{{_scalar(name)}: '\\s*({words})\\s*'}}  # {without}"]
    return lines


def _gaps(draft: Draft, by_name: Mapping[str, Column]) -> list[str]:
    """Say of columns that lack values what becomes of such rows."""
    return [
        f"  # {column.empty:,} of {column.rows:,} rows lack {name!r}: they will be rejected"
        for name in draft.inputs
        if (column := by_name[name]).empty
    ]


def _part(name: str, of: int) -> str:
    return f"{{{name}}}" if of == 1 else f"{name}: {{{name}}}"


def _format_file(seen: SeenFile, folder: Path, renamed: Mapping[str, str]) -> str:
    spec, name = seen.spec, seen.path.resolve().relative_to(folder).as_posix()
    keys = {"name": _scalar(name)}
    if seen.path.suffix.lower() == ".ndjson":
        keys["format"] = spec.format
    if spec.sheet:
        keys["sheet"] = _scalar(spec.sheet)
    if spec.encoding != "utf-8":
        keys["encoding"] = _scalar(spec.encoding)
    if spec.delimiter:
        keys["delimiter"] = _quoted(spec.delimiter)
    if spec.columns:
        keys["columns"] = "[" + ", ".join(map(_scalar, spec.columns)) + "]"
    if spec.records:
        keys["records"] = "[" + ", ".join(map(_scalar, spec.records)) + "]"
    own = {old: new for old, new in renamed.items() if old in seen.columns}
    if own:
        pairs = ", ".join(f"{_scalar(old)}: {_scalar(new)}" for old, new in own.items())
        keys["rename"] = "{" + pairs + "}"
    if len(keys) == 1:
        return keys["name"]
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


def _scalar(text: str) -> str:
    """Write a text so that YAML reads it as that text."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    """Write a text in double quotes as YAML reads it: what nobody can see as its number."""
    return "".join(
        one if one.isprintable() else f"\\U{ord(one):08x}"
        for one in json.dumps(text, ensure_ascii=False)
    )


def _comment(text: str, indent: str = "") -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=start)
