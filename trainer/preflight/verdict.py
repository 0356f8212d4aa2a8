"""What follows from the compiler's answer for one step: a verdict, times, speeds, warnings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from trainer.preflight.compiler import Compilation, judge
from trainer.preflight.program import CompiledStep
from trainer.preflight.topologies import GIB, Topology

# The compiler's cycles leave out waiting, the host, and whatever carries no estimate.
SLOWEST = 1.5
MANY_TURNS = 16  # of a loop
MANY_UPDATES = 1024  # of a scatter
_NAME_LENGTH = 45
_WORTH_KNOWING = 0.02  # of the time, spent in layout copies


@dataclass(frozen=True)
class Speed:
    """How long a step takes, in ms, and what that makes in a second.

    Attributes:
        arithmetic: At the chip's peak.
        traffic: At its memory's bandwidth.
        estimated: The compiler's cycles at the chip's clock.
        exchange: Of sums over replicas, which have no cycles, in a ring over one link.
        best: The largest of the first three, and the exchange over two links.
        worst: The same with half as much again, and the exchange over one link.
        roofline: The share of the best time that the chip's limits explain.
        examples: Per second, of all replicas, at worst and at best.
        tokens: The same without padding.
    """

    arithmetic: float
    traffic: float
    estimated: float
    exchange: float
    best: float
    worst: float
    roofline: float
    examples: tuple[float, float]
    tokens: tuple[float, float]


@dataclass(frozen=True)
class Verdict:
    """What a TPU would make of a step.

    Attributes:
        step: Its name.
        method: The adapter method.
        topology: In libtpu's words.
        replicas: How many.
        rows: Of the batch of all replicas.
        input_length: In tokens.
        target_length: In tokens.
        verdict: `fits`, `borderline`, `does not fit` or `cannot be compiled`.
        needed: Bytes of a device's HBM.
        limit: Bytes that it has.
        defined_flops: Of a replica, by the model's definition.
        compilation: What the compiler said.
        speed: None where the step was refused.
        warnings: What is slow in it, or would be worth knowing.
    """

    step: str
    method: str
    topology: str
    replicas: int
    rows: int
    input_length: int
    target_length: int
    verdict: str
    needed: int
    limit: int
    defined_flops: int
    compilation: Compilation
    speed: Speed | None
    warnings: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether the step fits with room to spare."""
        return self.verdict == "fits"

    def as_dict(self) -> dict[str, Any]:
        """Turn it into what JSON holds."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Workload:
    """What is compiled, beside the program.

    Attributes:
        step: Its name.
        method: The adapter method.
        rows: Of a replica.
        input_length: In tokens.
        target_length: In tokens.
        flops: By the model's definition, of a replica.
        examples: In a row: more than one where rows are packed.
        tokens: In a row, without padding.
    """

    step: str
    method: str
    rows: int
    input_length: int
    target_length: int
    flops: int
    examples: float
    tokens: float


def reach_verdict(work: Workload, compilation: Compilation, topology: Topology) -> Verdict:
    """Judge a step by what the compiler said.

    Args:
        work: What was compiled.
        compilation: The compiler's answer.
        topology: Where.

    Returns:
        The verdict.
    """
    memory, step = compilation.memory, compilation.step
    needed = memory.total if memory else compilation.needed
    verdict = "cannot be compiled" if compilation.refusal else judge(needed, topology)
    if memory is None and not compilation.refusal:
        verdict = "does not fit"
    return Verdict(
        step=work.step,
        method=work.method,
        topology=topology.name,
        replicas=topology.replicas,
        rows=work.rows * topology.replicas,
        input_length=work.input_length,
        target_length=work.target_length,
        verdict=verdict,
        needed=needed,
        limit=int(topology.device.memory * GIB),
        defined_flops=work.flops,
        compilation=compilation,
        speed=_estimate(work, compilation, topology) if step else None,
        warnings=tuple(_warn(compilation)),
    )


def _estimate(work: Workload, compilation: Compilation, topology: Topology) -> Speed:
    device, step = topology.device, compilation.step
    assert step is not None
    arithmetic = compilation.flops / device.peak
    traffic = step.hbm_bytes / device.bandwidth
    estimated = step.cycles / device.clock
    exchange = _exchange(step, topology)
    busy = max(arithmetic, traffic, estimated)
    best, worst = busy + exchange / 2, SLOWEST * busy + exchange
    rows = work.rows * topology.replicas
    rates = (rows / worst, rows / best)
    return Speed(
        arithmetic=1e3 * arithmetic,
        traffic=1e3 * traffic,
        estimated=1e3 * estimated,
        exchange=1e3 * exchange,
        best=1e3 * best,
        worst=1e3 * worst,
        roofline=max(arithmetic, traffic) / best,
        examples=(rates[0] * work.examples, rates[1] * work.examples),
        tokens=(rates[0] * work.tokens, rates[1] * work.tokens),
    )


def _exchange(step: CompiledStep, topology: Topology) -> float:
    """Estimate the seconds of all sums: each byte passes every replica twice, but for its own."""
    size = sum(part.count for part in step.collectives)
    return 2 * size * (1 - 1 / topology.replicas) / topology.device.link


def _warn(compilation: Compilation) -> list[str]:
    step = compilation.step
    if step is None:
        return []
    found = [
        f"a loop of {f'{loop.count:,}' if loop.count else 'unknown'} turns: {shorten(loop.name)}"
        for loop in step.loops
        if not 0 < loop.count < MANY_TURNS
    ]
    found += [f"a sort of {sort.count:,} numbers: {shorten(sort.name)}" for sort in step.sorts]
    found += [
        f"a scatter of {scatter.count:,} updates: {shorten(scatter.name)}"
        for scatter in step.scatters
        if scatter.count >= MANY_UPDATES
    ]
    moving = sum(move.cycles for move in step.moves)
    if moving > _WORTH_KNOWING * step.cycles:
        found.append(
            f"layout copies, in {len(step.moves)} of {step.kernels:,} kernels, take "
            f"{moving / step.cycles:.0%} of the time; the dearest: {shorten(step.moves[0].name)}"
        )
    return found


def shorten(name: str) -> str:
    """Keep the end of an operation's name, which says most.

    Args:
        name: Such as `task_model/decoder/block_._0/layer_._1/EncDecAttention/q/einsum`.

    Returns:
        Its last parts, in some 40 letters.
    """
    parts = name.removeprefix("gradient_tape/").split("/")
    kept = parts.pop()
    while parts and len(kept) + len(parts[-1]) < _NAME_LENGTH:
        kept = f"{parts.pop()}/{kept}"
    return f"…/{kept}" if parts else kept
