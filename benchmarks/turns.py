"""Contestants in processes of their own that take turns, a few steps each.

The machine's changes of mood then hit all alike. A contestant says `ready` once it is warm; it is
then given how many steps to take, a line each time, and answers with a line of figures. It needs
nothing but Python, so that it may run in any environment.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def take_turns(take_step: Callable[[], tuple[int, int]]) -> None:
    """Be a contestant until standard input ends.

    Args:
        take_step: Takes a step; returns its positions that hold tokens, and all its positions.
    """
    tell_ready()
    while (count := next_turn()) is not None:
        # The system may have taken back the memory of whoever rested.
        take_step()
        started = time.perf_counter()
        steps = [take_step() for _ in range(count)]
        tell(time.perf_counter() - started, steps)


def multiply_answers(multiply: Callable[..., Callable], file: Path) -> Callable[[], Any]:
    """Make a step of the products of answers, those of the inputs once and the rest by token.

    Args:
        multiply: Makes what computes a list of products.
        file: What `answer_products` found and how many tokens, as JSON.
    """
    found = json.loads(file.read_text())
    once, each = multiply(found["once"]), multiply(found["each"])

    def take_step() -> tuple[int, int]:
        for _ in range(found["tokens"]):
            each()
        return once()

    return take_step


def tell_ready() -> None:
    """Say that what is done once is done."""
    print("ready", flush=True)


def next_turn() -> int | None:
    """Wait for a turn; returns its steps, or None where there is none to come."""
    line = sys.stdin.readline()
    return int(line) if line.strip() else None


def tell(seconds: float, steps: Sequence[tuple[int, int]]) -> None:
    """Report a turn."""
    real, positions = (sum(column) for column in zip(*steps, strict=True))
    figures = {"steps": len(steps), "seconds": seconds, "real": real, "positions": positions}
    figures["peak"] = peak_memory()
    print(json.dumps(figures), flush=True)


def peak_memory() -> int:
    """Read the most memory that this process had at a time, in bytes, on Linux.

    `resource.getrusage` would tell what its parent had, where that was more.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@dataclass
class Contestant:
    """A process that takes turns, seen from outside.

    Attributes:
        name: In tables.
        command: Its arguments, the interpreter first.
        log: Where its standard error goes.
        figures: Of its turns so far.
    """

    name: str
    command: Sequence[str]
    log: Path
    figures: list[Mapping[str, float]] = field(default_factory=list)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        root = Path(__file__).resolve().parents[1]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=root,
            )
        started = time.perf_counter()
        self._line("ready")
        print(f"ready after {time.perf_counter() - started:5.1f} s: {self.name}", flush=True)

    def turn(self, steps: int) -> None:
        """Let it take some steps."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is told below
            print(steps, file=self.process.stdin, flush=True)
        self.figures.append(json.loads(self._line("{")))

    def end(self) -> None:
        """Let it end."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate(timeout=60)

    def seconds(self) -> list[float]:
        """Per step, turn by turn."""
        return [turn["seconds"] / turn["steps"] for turn in self.figures]

    def real_per_second(self) -> list[float]:
        """Positions that hold tokens per second, turn by turn."""
        return [turn["real"] / turn["seconds"] for turn in self.figures]

    def real_share(self) -> float:
        """Positions that hold tokens, of all."""
        return sum(t["real"] for t in self.figures) / sum(t["positions"] for t in self.figures)

    def peak(self) -> float:
        """The most memory that it had at a time, in bytes."""
        return max(turn["peak"] for turn in self.figures)

    def _line(self, start: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(start):
                return line
        self.end()
        last = self.log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"error: {self.name} ended with {self.process.returncode}:\n{last}")


def compare(contestants: Sequence[Contestant], turns: int, steps: int) -> None:
    """Start all, let them take turns, and end them."""
    with contextlib.ExitStack() as started:
        for one in contestants:
            one.start()
            started.callback(one.end)
        for _ in range(turns):
            for one in contestants:
                one.turn(steps)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over turns of one's figure by another's of the same turn."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
