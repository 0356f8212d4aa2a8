"""Read the program that a TPU's compiler made: what it costs, and what is slow in it.

The compiler writes an estimate of cycles beside most of its kernels. Sorts, scatters and loops
have none, so they are listed by themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from trainer.preflight.hlo import Computation, Computations, Instruction, arrays_of, parse_program
from trainer.preflight.traffic import FREE, called_computation, count_traffic

_MOVES = frozenset({"copy", "transpose", "convert", "reshape"})
_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_CONDITION = re.compile(r"\bcondition=%?([\w.\-]+)")
_LIMIT = re.compile(r"^\((\d+)\)")
_INDEX_VECTOR = re.compile(r"index_vector_dim=(\d+)")
_AXES = re.compile(r"\[([\d,]*)\]")


@dataclass(frozen=True)
class Part:
    """An instruction that is worth naming.

    Attributes:
        kind: In XLA's words.
        name: Of the operation that it comes from.
        shape: Of its result.
        count: Of a loop its turns, of a scatter its updates, of a sort its numbers, of others
            bytes; 0: not known.
        cycles: The compiler's estimate; 0: none.
    """

    kind: str
    name: str
    shape: str
    count: int = 0
    cycles: int = 0


@dataclass(frozen=True)
class CompiledStep:
    """What a compiled step costs.

    Attributes:
        cycles: The sum of the compiler's estimates.
        hbm_bytes: Read from HBM and written to it, without what loops and branches do.
        kernels: Instructions that do something.
        loops: Sequential, with their turns.
        sorts: They carry no estimate.
        scatters: Neither do these.
        conditionals: Branches chosen on the device.
        moves: Kernels that only lay something out anew, the dearest first.
        collectives: What replicas exchange.
        largest: The largest results that lie in HBM.
    """

    cycles: int
    hbm_bytes: int
    kernels: int
    loops: tuple[Part, ...]
    sorts: tuple[Part, ...]
    scatters: tuple[Part, ...]
    conditionals: int
    moves: tuple[Part, ...]
    collectives: tuple[Part, ...]
    largest: tuple[Part, ...]


def read_program(text: str, largest: int = 5) -> CompiledStep:
    """Read an optimised program.

    Args:
        text: An HLO module, scheduled.
        largest: How many of the largest results to keep.

    Returns:
        What it costs.
    """
    entry, computations = parse_program(text)
    everywhere = [(one, part) for part in computations.values() for one in part.values()]
    kernels = [one for one in entry.values() if one.opcode not in FREE]

    def found(opcode: str) -> list[tuple[Instruction, Computation]]:
        return [(one, part) for one, part in everywhere if one.opcode == opcode]

    moves = [_part(one) for one in kernels if _is_move(one, computations)]
    collectives = [
        one for one, _ in everywhere if one.opcode.removesuffix("-start") in _COLLECTIVES
    ]
    results = [_part(one, _largest_array(one)) for one in kernels if "-start" not in one.opcode]
    return CompiledStep(
        cycles=sum(_cycles(one) for one, _ in everywhere),
        hbm_bytes=sum(count_traffic(one, entry, computations) for one in kernels),
        kernels=len(kernels),
        loops=tuple(_part(one, _count_turns(one, computations)) for one, _ in found("while")),
        sorts=tuple(_part(one, arrays_of(one.type)[0].size) for one, _ in found("sort")),
        scatters=tuple(_part(one, _count_updates(one, part)) for one, part in found("scatter")),
        conditionals=len(found("conditional")),
        moves=tuple(sorted(moves, key=lambda part: -part.cycles)),
        collectives=tuple(_part(one, _exchanged(one)) for one in collectives),
        largest=tuple(sorted(results, key=lambda part: -part.count)[:largest]),
    )


def _part(one: Instruction, count: int = 0) -> Part:
    name = _NAME.search(one.rest)
    shape = re.sub(r"\{[^{}]*\}|/\*.*?\*/", "", one.type)
    return Part(one.opcode, name[1] if name else one.name, shape, count, _cycles(one))


def _cycles(one: Instruction) -> int:
    found = _CYCLES.search(one.rest)
    return int(found[1]) if found else 0


def _largest_array(one: Instruction) -> int:
    return max((array.bytes for array in arrays_of(one.type) if array.is_in_hbm), default=0)


def _exchanged(one: Instruction) -> int:
    # What is done in two halves has its operand beside its result.
    total = sum(array.bytes for array in arrays_of(one.type))
    return total // 2 if one.opcode.endswith("-start") else total


def _is_move(one: Instruction, computations: Computations) -> bool:
    if not _cycles(one):
        return False
    body = called_computation(one, computations)
    inner = {part.opcode for part in body.values()} - FREE
    if one.opcode != "fusion" or not inner:
        return one.opcode in ("copy", "transpose")
    return inner <= _MOVES and bool(inner & {"copy", "transpose"})


def _count_turns(one: Instruction, computations: Computations) -> int:
    """Read the number that a loop's condition compares with, where there is one alone."""
    condition = _CONDITION.search(one.rest)
    to_read = [computations.get(condition[1], {})] if condition else []
    limits: set[int] = set()
    while to_read:
        part = to_read.pop()
        for inner in part.values():
            if inner.opcode == "constant" and (limit := _LIMIT.match(inner.rest)):
                limits.add(int(limit[1]))
            to_read.append(called_computation(inner, computations))
    return limits.pop() if len(limits) == 1 else 0


def _count_updates(one: Instruction, part: Computation) -> int:
    indices = part[one.operands[len(one.operands) // 2]]
    axes = _AXES.search(indices.type)
    sizes = [int(size) for size in axes[1].split(",") if size] if axes else []
    vector = _INDEX_VECTOR.search(one.rest)
    axis = int(vector[1]) if vector else 0
    return prod(size for number, size in enumerate(sizes) if number != axis)
