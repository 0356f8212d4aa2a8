"""Read the program that a TPU's compiler made: what it costs, and what is slow in it.

The compiler writes an estimate of cycles beside most of its kernels. Sorts and scatters have none,
so they are listed by themselves; of a loop, each turn has the estimates of its kernels.
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
_RUN = re.compile(r"\b(?:condition|body|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_CALL = re.compile(r"\bto_apply=%?([\w.\-]+)")
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
        cycles: The sum of the compiler's estimates, loops with all their turns where these are
            known, and all branches.
        hbm_bytes: Read from HBM and written to it, counted alike.
        kernels: Instructions that do something, counted alike.
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
    kernels = [
        (one, part, times)
        for part, times in _find_executed(entry, computations)
        for one in part.values()
        if one.opcode not in FREE
    ]

    def found(opcode: str) -> list[tuple[Instruction, Computation]]:
        return [(one, part) for one, part in everywhere if one.opcode == opcode]

    moves = [_part(one, times=times) for one, _, times in kernels if _is_move(one, computations)]
    results = [_part(one, _largest_array(one)) for one, *_ in kernels if "-start" not in one.opcode]
    return CompiledStep(
        cycles=sum(times * _cycles(one) for one, _, times in kernels),
        hbm_bytes=sum(
            times * count_traffic(one, part, computations) for one, part, times in kernels
        ),
        kernels=sum(times for *_, times in kernels),
        loops=tuple(_part(one, _count_turns(one, computations)) for one, _ in found("while")),
        sorts=tuple(_part(one, arrays_of(one.type)[0].size) for one, _ in found("sort")),
        scatters=tuple(_part(one, _count_updates(one, part)) for one, part in found("scatter")),
        conditionals=len(found("conditional")),
        moves=tuple(sorted(moves, key=lambda part: -part.cycles)),
        collectives=tuple(
            _part(one, _exchanged(one))
            for one, _ in everywhere
            if one.opcode.removesuffix("-start") in _COLLECTIVES
        ),
        largest=tuple(sorted(results, key=lambda part: -part.count)[:largest]),
    )


def _find_executed(entry: Computation, computations: Computations) -> list[tuple[Computation, int]]:
    """List the computations whose instructions are kernels, and how often each of them runs."""
    found = [(entry, 1)]
    for part, times in found:  # it grows as it is walked
        for one in part.values():
            names = _RUN.findall(one.rest)
            if branches := _BRANCHES.search(one.rest):
                names += re.findall(r"[\w.\-]+", branches[1])
            if one.opcode == "call":
                names += _CALL.findall(one.rest)
            turns = _count_turns(one, computations) or 1 if one.opcode == "while" else 1
            found += [(computations[name], times * turns) for name in names]
    return found


def _part(one: Instruction, count: int = 0, times: int = 1) -> Part:
    name = _NAME.search(one.rest)
    shape = re.sub(r"\{[^{}]*\}|/\*.*?\*/", "", one.type)
    return Part(one.opcode, name[1] if name else one.name, shape, count, times * _cycles(one))


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
