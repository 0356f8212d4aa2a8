"""Lay verdicts out for a terminal, in 80 columns or the fewer that it has."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence

from trainer.preflight.compiler import Compilation
from trainer.preflight.hlo import arrays_of
from trainer.preflight.topologies import GIB
from trainer.preflight.verdict import SLOWEST, Verdict, shorten

WIDTH = 80
_LEAST_WIDTH = 40  # below it, labels would leave no room for what they label
_LABEL = 12
_SHOWN_RESULTS = 3
_SHARE_OF_NOTE = 0.02  # of a step's memory
CALIBRATION = (
    "Times are the compiler's own estimates, calibrated by nothing else: from its cycles to "
    f"{SLOWEST} times as long, and sums over replicas by the links between chips; without what "
    "carries no estimate (sorts, scatters, loops of unknown length)."
)


def columns() -> int:
    """Count the columns to write in: those of the terminal, or of COLUMNS, but at most 80."""
    return max(_LEAST_WIDTH, min(WIDTH, shutil.get_terminal_size().columns))


def describe_verdict(found: Verdict) -> list[str]:
    """Say in some lines what became of a step.

    Args:
        found: The verdict.

    Returns:
        Lines of at most `columns`.
    """
    lines = wrap(_title(found))
    each = f", {found.rows // found.replicas:,} a replica" if found.replicas > 1 else ""
    lines += _entry(
        "batch",
        f"{found.rows:,} rows{each}; {found.input_length} input "
        + (f"and {found.target_length} target tokens" if found.target_length else "tokens"),
    )
    if found.compilation.refusal:
        return lines + _entry("compiler", found.compilation.refusal)
    lines += _describe_memory(found.compilation)
    lines += _describe_speed(found)
    for warning in found.warnings:
        lines += _entry("note", warning)
    return lines


def _title(found: Verdict) -> str:
    if not found.needed:
        return f"{found.step}: {found.verdict}"
    at_least = "at least " if found.compilation.memory is None else ""
    return f"{found.step}: {found.verdict}, {at_least}{_size(found.needed)} of {_size(found.limit)}"


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        columns(),
        initial_indent=f"  {label:<{_LABEL - 2}}",
        subsequent_indent=" " * _LABEL,
        break_on_hyphens=False,
    )


def _describe_memory(compilation: Compilation) -> list[str]:
    memory, step = compilation.memory, compilation.step
    lines: list[str] = []
    if memory:
        lines += _entry(
            "HBM",
            f"arguments {_size(memory.argument)} + outputs {_size(memory.output)} "
            f"- aliased {_size(memory.alias)} + temporaries {_size(memory.temp)}",
        )
    for buffer in compilation.buffers or (step.largest[:_SHOWN_RESULTS] if step else ()):
        if buffer.count > _SHARE_OF_NOTE * (memory.total if memory else buffer.count):
            lines += _entry(
                "largest", f"{_size(buffer.count)} {_largest(buffer.shape)} {shorten(buffer.name)}"
            )
    return lines


def _largest(shape: str) -> str:
    """Shorten a tuple's type to the largest of a kernel's results."""
    results = re.findall(r"\w+\[[^\]]*\]", shape) or [shape]
    largest = max(
        results, key=lambda one: max((array.bytes for array in arrays_of(one)), default=0)
    )
    return f"{largest} and {len(results) - 1} more" if len(results) > 1 else largest


def _size(count: int) -> str:
    unit, name = (GIB, "GiB") if count >= GIB / 20 else (2**20, "MiB")
    return f"{count / unit:.2f} {name}"


def _describe_speed(found: Verdict) -> list[str]:
    speed, step = found.speed, found.compilation.step
    if speed is None or step is None:
        return []
    flops = found.compilation.flops
    ratio = f"{flops / found.defined_flops:.2f} of the model's {found.defined_flops / 1e9:,.1f}"
    lines = _entry("FLOPs", f"{flops / 1e9:,.1f} G a replica, {ratio}")
    lines += _entry("traffic", f"{step.hbm_bytes / 1e9:.2f} GB of HBM, {step.kernels:,} kernels")
    lines += _entry(
        "time",
        f"{_short(speed.best)} to {_short(speed.worst)} ms; at the chip's limits "
        f"{_short(speed.arithmetic)} of arithmetic or {_short(speed.traffic)} of traffic, a "
        f"roofline share of {speed.roofline:.0%}",
    )
    lines += _entry(
        "speed",
        f"{_range(speed.examples)} examples/s, {_range(speed.tokens)} real tokens/s",
    )
    if step.collectives:
        size = sum(part.count for part in step.collectives)
        sums = plural(len(step.collectives), "sum")
        lines += _entry(
            "exchange",
            f"{_size(size)} in {sums} over replicas; {_short(speed.exchange / 2)} to "
            f"{_short(speed.exchange)} ms of the time, by the speed of two links or of one",
        )
    return lines


def plural(count: int, what: str) -> str:
    """Phrase a number of things, such as "1 sum" or "1,200 sums"."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def _short(number: float, digits: int = 3) -> str:
    return f"{float(f'{number:.{digits}g}'):,.10g}"


def _range(values: tuple[float, float]) -> str:
    low, high = (_short(value, 2) for value in values)
    return f"{low} to {high}"


def describe_comparison(found: Sequence[Verdict]) -> list[str]:
    """Put several methods' verdicts into one table.

    Args:
        found: A verdict for each.

    Returns:
        Lines of at most `columns`: a table, or where that would be wider a sentence for each.
    """
    width = max(len(one.method) for one in found)
    lines = [f"{'':<{width}}  {'GiB':>6} {'temp':>6} {'GFLOP':>8} {'GB':>6} {'ms':>6}  verdict"]
    for one in found:
        temp, flops, traffic, time = _figures(one) or ("",) * 4
        lines.append(
            f"{one.method:<{width}}  {one.needed / GIB:>6.2f} {temp:>6} {flops:>8} {traffic:>6} "
            f"{time:>6}  {one.verdict}"
        )
    if max(map(len, lines)) <= columns():
        return lines
    return [line for one in found for line in _in_words(one)]


def _in_words(found: Verdict) -> list[str]:
    words = [f"{found.needed / GIB:.2f} GiB"]
    if figures := _figures(found):
        temp, flops, traffic, time = figures
        words += [f"temp {temp}", f"{flops} GFLOP", f"{traffic} GB", f"{time} ms"]
    return textwrap.wrap(
        f"{found.method}: {', '.join(words)}: {found.verdict}",
        columns(),
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _figures(found: Verdict) -> tuple[str, ...]:
    """Phrase temporaries, FLOPs, traffic and time; none of a step that was refused."""
    memory, step, speed = found.compilation.memory, found.compilation.step, found.speed
    if not (memory and step and speed):
        return ()
    flops, traffic = f"{found.compilation.flops / 1e9:,.1f}", f"{step.hbm_bytes / 1e9:.2f}"
    return f"{memory.temp / GIB:.2f}", flops, traffic, f"{speed.best:.3g}"


def describe_compiler(compilation: Compilation) -> str:
    """Say which compiler spoke.

    Args:
        compilation: Of any step.

    Returns:
        One line.
    """
    versions = ", ".join(f"{name} {version}" for name, version in compilation.compiler.items())
    return f"compiler: {versions or 'not asked'}"


def wrap(text: str) -> list[str]:
    """Break a paragraph into lines of at most `columns`."""
    return textwrap.wrap(text, columns())
