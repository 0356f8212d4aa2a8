"""Read what an exported step does, with no compiler at hand: what is slow on a TPU shows already.

A TPU runs loops one turn after the other, sorts slowly, and takes the updates of a scatter one by
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

_MAIN = re.compile(r"func\.func (?:public )?@main\((.*)")
_DEFINED = re.compile(r"^ *(%\w+)(?::\d+)?(?:, %\w+)* = (.*)")
_OPERATION = re.compile(r"\bstablehlo\.(\w+)\b(?!<)")
_TYPE = re.compile(r"tensor<((?:\d+x)*)(\w+)>")
_ALIAS = re.compile(r"parameter_number = (\d+) : i64\}, output_index = array<i64(?:: (\d+))?>")
_INDEX_VECTOR = re.compile(r"index_vector_dim = (\d+)")
_RETURN = re.compile(r"^ *(?:func\.)?return ([^:]*) :")
_PASSED_ON = re.compile(r"stablehlo\.(?:reshape|optimization_barrier|convert|copy) (%\w+)(?:#0)?\b")
_ROWS = re.compile(r"stablehlo\.dynamic_update_slice (%\w+), ")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ExportedStep:
    """What an exported step is made of.

    Attributes:
        loops: `while` operations.
        sorts: Sorts.
        scatters: How many updates each scatter has.
        gathers: Gathers.
        generators: The words that each draw of random bits yields.
        conditionals: `case` and `if` operations.
        row_updates: Updates of a slice in place.
        all_reduces: Sums over replicas.
        written_whole: Shapes of the variables that are made anew from their values.
        written_by_rows: Shapes of those of which a slice is written and the rest left in place.
    """

    loops: int
    sorts: int
    scatters: tuple[int, ...]
    gathers: int
    generators: tuple[int, ...]
    conditionals: int
    row_updates: int
    all_reduces: int
    written_whole: tuple[Shape, ...]
    written_by_rows: tuple[Shape, ...]

    def slow_parts(self, most_updates: int) -> list[str]:
        """List what a TPU would do one after the other.

        Args:
            most_updates: That a scatter may have: of tasks or rows of a batch, some tens.

        Returns:
            One phrase for each kind, none where all is well.
        """
        found = []
        if self.loops:
            found.append(f"{self.loops} loops")
        if self.sorts:
            found.append(f"{self.sorts} sorts")
        if large := [updates for updates in self.scatters if updates > most_updates]:
            found.append(f"{len(large)} scatters of up to {max(large)} updates")
        return found

    def banks_written_whole(self, tasks: int) -> list[Shape]:
        """List the variables with a row per task that are not written by rows.

        Args:
            tasks: K; no other variable should have a first axis of that size.

        Returns:
            Their shapes. The losses per task, a number each, are no bank.
        """
        return [shape for shape in self.written_whole if len(shape) > 1 and shape[0] == tasks]


def read_stablehlo(text: str) -> ExportedStep:
    """Read a StableHLO module.

    Args:
        text: As `export_stablehlo` returned it.

    Returns:
        What the step is made of.
    """
    lines = text.splitlines()
    names: list[str] = []
    scatters: list[int] = []
    generators: list[int] = []
    for number, line in enumerate(lines):
        found = _OPERATION.search(line)
        if not found:
            continue
        names.append(found[1])
        if found[1] == "scatter":
            scatters.append(_count_updates(line, _signature(lines, number)))
        elif found[1] == "rng_bit_generator":
            generators.append(prod(_types(line)[-1]))
    whole, by_rows = _sort_written(lines, text)
    return ExportedStep(
        loops=names.count("while"),
        sorts=names.count("sort"),
        scatters=tuple(scatters),
        gathers=names.count("gather") + names.count("dynamic_gather"),
        generators=tuple(generators),
        conditionals=names.count("case") + names.count("if"),
        row_updates=names.count("dynamic_update_slice"),
        all_reduces=names.count("all_reduce"),
        written_whole=tuple(whole),
        written_by_rows=tuple(by_rows),
    )


def _types(text: str) -> list[Shape]:
    """List the shapes that are named in a piece of text."""
    return [tuple(map(int, sizes.split("x")[:-1])) for sizes, _ in _TYPE.findall(text)]


def _signature(lines: list[str], number: int) -> str:
    """Find the types of an operation that has a region: they follow its end."""
    indent = re.match(" *", lines[number])
    end = f"{indent[0] if indent else ''}}}) : "
    return next(line for line in lines[number:] if line.startswith(end))


def _count_updates(line: str, signature: str) -> int:
    # (operands, indices, updates) -> results: the axes of the indices, without that of the vector.
    operands = _types(signature.partition("->")[0])
    indices = operands[len(operands) // 2]
    vector = _INDEX_VECTOR.search(line)
    axis = int(vector[1]) if vector else 0  # left out where it is 0
    return prod(size for number, size in enumerate(indices) if number != axis)


def _sort_written(lines: list[str], text: str) -> tuple[list[Shape], list[Shape]]:
    """Tell the variables that are made anew from those of which a slice is written in place."""
    first = next(number for number, line in enumerate(lines) if _MAIN.search(line))
    arguments = dict(re.findall(r"(%arg\d+): (tensor<[^>]*>)", lines[first]))
    made: dict[str, str] = {}
    results: list[str] = []
    for line in lines[first + 1 :]:
        if line.startswith("  }"):
            break
        if defined := _DEFINED.match(line):
            made[defined[1]] = defined[2]
        elif returned := _RETURN.match(line):
            results = returned[1].split(", ")
    whole: list[Shape] = []
    by_rows: list[Shape] = []
    for parameter, output in _ALIAS.findall(text):
        variable = f"%arg{parameter}"
        (shape,) = _types(arguments[variable])
        writes = list(_writes(results[int(output or 0)], variable, made))
        (by_rows if all(writes) else whole).append(shape)
    return whole, by_rows


def _writes(value: str, variable: str, made: dict[str, str]) -> Iterator[bool]:
    """Follow a new value back to its variable: true for every slice, false where it is lost."""
    while value != variable:
        operation = made.get(value, "")
        passed, rows = _PASSED_ON.match(operation), _ROWS.match(operation)
        if not (passed or rows):
            yield False
            return
        if rows:
            yield True
        value = (passed or rows)[1]  # type: ignore[index]
