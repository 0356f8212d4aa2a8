"""Parse the text of an HLO module into its computations and their instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

Computation = dict[str, "Instruction"]
Computations = dict[str, Computation]

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_DEFINED = re.compile(r"^ +(ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r" ([\w\-]+)\(")
_USED = re.compile(r"%([\w.\-]+)")
_ARRAY = re.compile(r"(pred|[a-z]+\d+\w*)\[([\d,<=]*)\](\{[^{}]*\})?")
_ON_CHIP = "S(1)"  # the memory space of a layout; what has none lies in HBM


@dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: Of its result.
        type: Of its result, with the layout and where it lies.
        opcode: In XLA's words.
        operands: Names of the results that it takes.
        rest: The line from its operands on: attributes, names, the compiler's notes.
        is_root: Whether its result is the computation's.
    """

    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    rest: str
    is_root: bool


@dataclass(frozen=True)
class Array:
    """One array of a type.

    Attributes:
        size: Elements.
        bytes: As many as its elements need, without padding.
        is_in_hbm: Whether it lies there, and not in the memory on the chip.
    """

    size: int
    bytes: int
    is_in_hbm: bool


def parse_program(text: str) -> tuple[Computation, Computations]:
    """Parse a module.

    Args:
        text: An HLO module with one instruction on a line.

    Returns:
        The entry computation, and all computations by name.
    """
    computations: Computations = {}
    entry: Computation = {}
    current: Computation = {}
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = computations[head[2]] = {}
            if head[1]:
                entry = current
        elif defined := _DEFINED.match(line):
            one = _parse(line[defined.end() :], defined[2], bool(defined[1]))
            current[one.name] = one
    return entry, computations


def _parse(line: str, name: str, is_root: bool) -> Instruction:
    end = _closing(line, 0) if line.startswith("(") else 0
    opcode = _OPCODE.search(line, end)
    if opcode is None:
        raise ValueError(f"no HLO instruction: {line[:80]!r}")
    start = opcode.end() - 1
    stop = _closing(line, start)
    operands = tuple(_USED.findall(line[start:stop]))
    return Instruction(name, line[: opcode.start()], opcode[1], operands, line[start:], is_root)


def _closing(line: str, start: int) -> int:
    """Find the bracket that closes the one at `start`."""
    depth = 0
    for position in range(start, len(line)):
        depth += (line[position] == "(") - (line[position] == ")")
        if not depth:
            return position
    return len(line)


def arrays_of(type_: str) -> list[Array]:
    """List the arrays of a type.

    Args:
        type_: An array's, or a tuple's.

    Returns:
        Each of them.
    """
    return [
        Array(
            size=(size := prod(int(axis.strip("<=")) for axis in axes.split(",") if axis)),
            bytes=-(-size * _bits(dtype) // 8),
            is_in_hbm=_ON_CHIP not in layout,
        )
        for dtype, axes, layout in _ARRAY.findall(type_)
    ]


def hbm_bytes(type_: str) -> int:
    """Count the bytes of a type that lie in HBM.

    Args:
        type_: An array's, or a tuple's.

    Returns:
        Bytes, without padding.
    """
    return sum(array.bytes for array in arrays_of(type_) if array.is_in_hbm)


def _bits(dtype: str) -> int:
    digits = re.search(r"\d+", dtype)
    return int(digits[0]) if digits else 8  # truth values take a byte
