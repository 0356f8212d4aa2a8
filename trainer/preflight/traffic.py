"""Count the bytes that instructions read from HBM and write to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainer.preflight.hlo import Computation, Computations, Instruction, arrays_of, hbm_bytes

# They move nothing by themselves; of what is copied in two halves, the first counts.
FREE = frozenset(
    [
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "iota",
        "after-all",
        "partition-id",
        "replica-id",
        "copy-done",
        "slice-done",
        "all-reduce-done",
        "all-gather-done",
        "async-done",
        "while",
        "conditional",
        "call",
    ]
)
_SLICES = ("dynamic-slice", "slice", "gather")
_WRITES = ("dynamic-update-slice", "scatter")
_PASSED_ON = ("bitcast", "reshape")
_CALLED = re.compile(r"\bcalls=%?([\w.\-]+)")


def called_computation(one: Instruction, computations: Computations) -> Computation:
    """Find what a fusion computes.

    Args:
        one: Any instruction.
        computations: Of the module, by name.

    Returns:
        The computation; empty where the instruction calls none.
    """
    called = _CALLED.search(one.rest)
    return computations.get(called[1], {}) if called else {}


def count_traffic(one: Instruction, part: Computation, computations: Computations) -> int:
    """Count the bytes that an instruction moves between HBM and the chip.

    Args:
        one: Any instruction.
        part: The computation that it is of.
        computations: Of the module, by name.

    Returns:
        Bytes; of slices that are read or written, not of what they are slices of.
    """
    if one.opcode in FREE:
        return 0
    if one.opcode in ("copy-start", "slice-start"):
        # Where from, where to and a flag: the smaller of the first two is what moves.
        source, goal = arrays_of(one.type)[:2]
        moved = min(source.bytes, goal.bytes)
        return moved * (source.is_in_hbm + goal.is_in_hbm)
    body = called_computation(one, computations)
    if one.opcode == "fusion" and body:
        reads = sum(_reads(name, number, part, body) for number, name in enumerate(one.operands))
        return reads + sum(_written(root, body) for root in _results(body))
    if one.opcode == "dynamic-update-slice":
        return 2 * hbm_bytes(part[one.operands[1]].type)
    if one.opcode in _SLICES:
        return 2 * hbm_bytes(one.type)
    return hbm_bytes(one.type) + sum(hbm_bytes(part[name].type) for name in one.operands)


def _reads(name: str, number: int, part: Computation, body: Computation) -> int:
    """Count what a fusion reads of one of its operands."""
    whole = hbm_bytes(part[name].type)
    if not whole:
        return 0
    parameter = next(
        (
            one.name
            for one in body.values()
            if one.opcode == "parameter" and one.rest.startswith(f"({number})")
        ),
        "",
    )
    read = 0
    for user in _users(parameter, body):
        if user.opcode in _SLICES and user.operands[0] == parameter:
            read += sum(array.bytes for array in arrays_of(user.type))
        elif not (user.opcode in _WRITES and user.operands[0] == parameter):
            return whole
    return min(read, whole)


def _users(name: str, body: Computation) -> Iterator[Instruction]:
    return (one for one in body.values() if name in one.operands)


def _results(body: Computation) -> list[Instruction]:
    root = next(one for one in body.values() if one.is_root)
    return [body[name] for name in root.operands] if root.opcode == "tuple" else [root]


def _written(root: Instruction, body: Computation) -> int:
    """Count what a fusion writes of one of its results."""
    while root.opcode in _PASSED_ON:
        root = body[root.operands[0]]
    if root.opcode in _WRITES:
        update = body[root.operands[-1 if root.opcode == "scatter" else 1]]
        return sum(array.bytes for array in arrays_of(update.type)) if hbm_bytes(root.type) else 0
    return hbm_bytes(root.type)
