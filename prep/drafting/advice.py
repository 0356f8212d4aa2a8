"""What a person should know of columns before a task is made of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from prep.drafting.columns import Column, as_written
from prep.drafting.roles import (
    WAS_NAMED,
    Roles,
    has_few_values,
    is_called_answer,
    is_called_input,
    is_choice,
    tells_splits,
)
from prep.sources.row import Row

FEW_ROWS = 100  # with fewer, a tenth of them tells nothing
FEW_SHARING = 5  # rows with the same value, on average: with fewer, chance may give each one answer


def advise(columns: Sequence[Column], roles: Roles) -> list[str]:
    """Say what a guess may have got wrong, or what the rows cannot give.

    Args:
        columns: That the files share.
        roles: Of the columns.

    Returns:
        A sentence each.
    """
    said = []
    rows = max((column.rows for column in columns), default=0)
    if rows < FEW_ROWS:
        said.append(
            f"{rows} rows are too few to judge by: figures of a handful of examples are chance, "
            "and a model learns little from them; some hundred rows are a beginning"
        )
    for column in columns:
        if tells_splits(column):
            said.append(
                f"{column.name!r} says which split a row is of ({', '.join(column.counts)}): all "
                "rows would be trained on; write a file for each split, and name them all"
            )
        if column.name in roles.answers and column.have_commas:
            said.append(
                f"{column.name!r} looks like numbers with a comma, which are read as texts: "
                "written as 0.54 they make a task of regression (pandas.read_csv with "
                "decimal=',' reads such a file)"
            )
        if column.name in roles.inputs and column.are_dates:
            said.append(
                f"{column.name!r} looks like dates and is asked about, so every text will need "
                "one: name the other columns with --inputs to leave it out"
            )
        if column.name in roles.answers and column.empty_lists:
            said.append(
                f"{column.empty_lists:,} of {column.rows:,} rows have no answer in "
                f"{column.name!r}: the model shall write what `no_answer` says"
            )
    lost = [one for one in columns if one.name in roles.left_out and is_called_answer(one)]
    if lost and not roles.answers:
        why = "; ".join(f"{one.name!r} is left out: {roles.left_out[one.name]}" for one in lost)
        said.append(f"no column of answers is left, so the text itself is learned from. {why}")
    return said + _doubt_inputs(columns, roles)


def _doubt_inputs(columns: Sequence[Column], roles: Roles) -> list[str]:
    """Name the columns that are asked about and look like classes, and are not called a text."""
    if not roles.answers or WAS_NAMED in roles.why.values():
        return []
    asked = [column for column in columns if column.name in roles.inputs and not column.are_dates]
    few = [
        repr(column.name)
        for column in asked
        if has_few_values(column) and not (is_choice(column.name) or is_called_input(column))
    ]
    if not few:
        return []
    have, one = ("have", "one") if len(few) > 1 else ("has", "it")
    are = "are" if len(few) > 1 else "is"
    return [
        f"{', '.join(few)} {have} few different values and {are} asked about: if {one} is an "
        "answer itself, or not known when one asks, say so with --answer or --inputs"
    ]


def find_giveaways(columns: Sequence[Column], roles: Roles, rows: Sequence[Row]) -> list[str]:
    """Find inputs of which each value has one answer: a model need read nothing else.

    Args:
        columns: That the files share.
        roles: Of the columns.
        rows: Of the files.

    Returns:
        A sentence each.
    """
    are_few = [column for column in columns if 1 < column.distinct <= len(rows) / FEW_SHARING]
    asked, answers = (
        [column.name for column in are_few if column.name in names]
        for names in (roles.inputs, roles.answers)
    )
    said = []
    for name, answer in itertools.product(asked, answers):
        pairs = {(as_written(row.get(name)), as_written(row.get(answer))) for row in rows}
        values = len({value for value, _ in pairs})
        if len(pairs) == values:
            said.append(
                f"{name!r} gives {answer!r} away: each of its {values} values has one answer. If "
                "it is not known when one asks, name the other columns with --inputs"
            )
    return said
