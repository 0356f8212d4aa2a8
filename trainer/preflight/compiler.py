"""Run a TPU's compiler, which lives in an environment of its own, and read what it says.

jax and libtpu do not go together with TensorFlow's pins, and compiling a step may take several
gigabytes of memory: it is done by another Python in a process of its own, one step at a time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.errors import DataError, UsageError
from trainer.preflight.program import CompiledStep, Part, read_program
from trainer.preflight.topologies import GIB, Topology

VARIABLE = "TPU_COMPILER_PYTHON"
ENVIRONMENT = ".venv-tpu-compiler"
# What a TPU VM's TensorFlow compiles with, as requirements-tpu.txt has it.
LIBTPU = "0.0.14"
_ANSWER_WITHIN = 60.0  # seconds, for the versions
WORKER = Path(__file__).with_name("compile_worker.py")
_HOW_TO_INSTALL = f"`make tpu-compiler` installs one into {ENVIRONMENT} (900 MB)"
_PROGRESS_EVERY = 15.0  # seconds; after four such lines a quarter as often
_USED = re.compile(r"Used ([\d.]+)([KMGT]) of ([\d.]+)([KMGT]) hbm")
_ALONE = re.compile(r"Allocation \(size=(\d+)\) would exceed memory \(size=(\d+)\)")
_ALONE_NAME = re.compile(r"shape = '([^']*?)\{[^']*', .*?tag = 'output of ([^@']*)")
_BUFFER = re.compile(
    r"^  \d+\. Size: ([\d.]+)([KMGT]?)B?\n(?:     Operator: .*?op_name=\"([^\"]*)\".*\n)?"
    r"     Shape: ([^{\n]*)",
    re.MULTILINE,
)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SHOWN_BUFFERS = 5
_HOPELESS = 2  # times the memory: over it the compiler is not asked, which would take it hours
MARGIN = 0.2  # of the memory, within which a program that fits is borderline

Report = Callable[[str], None]


@dataclass(frozen=True)
class Memory:
    """What a program takes of a device's HBM, in bytes.

    Attributes:
        argument: Variables and the batch.
        output: What it returns, new values of variables among them.
        alias: Of the outputs, what takes the place of arguments.
        temp: What lives between the operations.
        generated_code: The program itself.
    """

    argument: int
    output: int
    alias: int
    temp: int
    generated_code: int = 0

    @property
    def total(self) -> int:
        """Bytes that a device must have free."""
        return self.argument + self.output - self.alias + self.temp


@dataclass(frozen=True)
class Compilation:
    """What the compiler answered.

    Attributes:
        compiler: Versions of its packages.
        seconds: That it took.
        memory: Of the program; None where it was refused.
        flops: Floating-point operations of one replica.
        step: What the program costs; None where it was refused.
        needed: Bytes of HBM that a refused program would have taken at least; 0: not told.
        buffers: The largest allocations of a refused program.
        refusal: The compiler's words for what it cannot compile at all.
    """

    compiler: Mapping[str, str]
    seconds: float
    memory: Memory | None = None
    flops: float = 0.0
    step: CompiledStep | None = None
    needed: int = 0
    buffers: Sequence[Part] = field(default_factory=tuple)
    refusal: str = ""


def find_python(asked: str = "") -> Path:
    """Find the Python that has jax and libtpu.

    Args:
        asked: By `--compiler-python`; empty for the environment's variable, then for the folder
            that `make tpu-compiler` fills, here or beside this package.

    Returns:
        The interpreter.

    Raises:
        UsageError: There is none.
    """
    named = asked or os.environ.get(VARIABLE, "")
    if named:
        python = Path(named).expanduser()
        if not python.is_file():
            option = "--compiler-python" if asked else VARIABLE
            raise UsageError(f"{option} {named!r} is no file; expected a Python that has libtpu")
        return python.absolute()
    for folder in (Path.cwd(), Path(__file__).parents[2]):
        python = folder / ENVIRONMENT / "bin" / "python"
        if python.is_file():
            return python
    raise UsageError(
        f"there is no TPU compiler: {_HOW_TO_INSTALL}, or name a Python that has jax and libtpu by "
        f"--compiler-python or {VARIABLE}"
    )


def ask_compiler(python: Path, worker: Path = WORKER) -> Mapping[str, str]:
    """Ask a Python which compiler it has, before minutes go into a step that it cannot compile.

    Args:
        python: As `find_python` found it.
        worker: The script that compiles.

    Returns:
        Versions of its packages.

    Raises:
        UsageError: It is no Python, or lacks a package.
    """
    try:
        done = subprocess.run(
            [str(python), str(worker), "--versions"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_WITHIN,
        )
        versions: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    except OSError as error:
        raise UsageError(f"{python} cannot be run: {error.strerror}; {_HOW_TO_INSTALL}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{python} gave no answer within {_ANSWER_WITHIN:.0f} s") from None
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UsageError(f"{python} is no Python with a TPU compiler: {said[:200]}") from None
    if missing := [name for name, version in versions.items() if not version]:
        raise UsageError(f"{python} lacks {', '.join(missing)}; {_HOW_TO_INSTALL}")
    return versions


def compile_step(
    text: str,
    topology: Topology,
    python: Path,
    report: Report = print,
    name: str = "the step",
    worker: Path = WORKER,
) -> Compilation:
    """Compile a StableHLO module for a topology.

    Args:
        text: The module.
        topology: Which; the program is compiled for all of its replicas.
        python: That has jax and libtpu.
        report: Called with a line every some seconds.
        name: Of the step, for these lines.
        worker: The script that compiles.

    Returns:
        What the compiler said; that a program does not fit is an answer too.

    Raises:
        DataError: The compiler did not come to an answer.
    """
    with tempfile.TemporaryDirectory(prefix="preflight-") as folder:
        step, program = Path(folder, "step.mlir"), Path(folder, "step.hlo")
        step.write_text(text)
        command = [str(python), str(worker), str(step), str(program)]
        command += ["--topology", topology.name, "--replicas", str(topology.replicas)]
        command += ["--parent", str(os.getpid())]
        if topology.host_bounds:
            command += ["--bounds", ",".join(map(str, topology.host_bounds))]
        if topology.device.chip_config:
            command += ["--chip-config", topology.device.chip_config]
        answer = _run(command, Path(folder), report, f"compiling {name}")
        if "error" in answer:
            return _read_refusal(answer)
        return Compilation(
            answer["compiler"],
            answer["seconds"],
            Memory(**answer["memory"]),
            answer["flops"],
            read_program(program.read_text()),
        )


def refuse_hopeless(least: int, topology: Topology) -> Compilation | None:
    """Judge a step that cannot fit without its compiler, which would be at it for hours.

    Args:
        least: Bytes of one array that the step cannot do without.
        topology: Where.

    Returns:
        The answer; None where the compiler is worth asking.
    """
    if least <= _HOPELESS * topology.device.memory * GIB:
        return None
    array = Part("buffer", "of one encoder layer alone; not compiled", "attention's scores", least)
    return Compilation({}, 0.0, needed=least, buffers=(array,))


def _run(command: list[str], folder: Path, report: Report, what: str) -> dict[str, Any]:
    output, errors = folder / "stdout", folder / "stderr"
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        try:
            while True:
                is_long = time.monotonic() - begun > 4 * _PROGRESS_EVERY
                try:
                    code = process.wait(_PROGRESS_EVERY * (4 if is_long else 1))
                    break
                except subprocess.TimeoutExpired:
                    report(f"{what}: {time.monotonic() - begun:.0f} s")
        finally:
            process.kill()
            process.wait()  # or it may still write into the folder that goes next
    lines = output.read_text().splitlines()
    if code == 0 and lines:
        return json.loads(lines[-1])
    if code in (-9, 137):
        raise DataError(
            f"{what}: the compiler was killed, most likely for its memory; a T5 takes up to 7 GB, "
            f"and {_free_memory()} are free"
        )
    if code < 0:
        raise DataError(f"{what}: the compiler was ended by {signal.Signals(-code).name}")
    last = (errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise DataError(f"{what}: {command[0]} ended with {code}: {last[:200]}")


def _free_memory() -> str:
    try:
        found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    return f"{int(found[1]) / 2**20:.1f} GB" if found else "not enough"


def _read_refusal(answer: Mapping[str, Any]) -> Compilation:
    error = answer["error"]
    needed, buffers = 0, []
    if used := _USED.search(error):
        needed = _bytes(used[1], used[2])
        buffers = [
            Part("buffer", name or "?", shape, _bytes(size, unit))
            for size, unit, name, shape in _BUFFER.findall(error)
        ]
    elif alone := _ALONE.search(error):  # a single array is larger than the device
        needed = int(alone[1])
        if named := _ALONE_NAME.search(error):
            buffers = [Part("buffer", named[2], named[1], needed)]
    refusal = "" if needed else " ".join(error.split())[:300]
    return Compilation(
        answer["compiler"],
        answer["seconds"],
        needed=needed,
        buffers=tuple(buffers[:_SHOWN_BUFFERS]),
        refusal=refusal,
    )


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * _UNITS[unit])


def judge(needed: int, topology: Topology) -> str:
    """Say whether a program fits.

    Compilers of other versions differ by up to 39 % in temporaries, so what fills a device is
    borderline.

    Args:
        needed: Bytes of HBM.
        topology: Where.

    Returns:
        `fits`, `borderline` or `does not fit`.
    """
    limit = topology.device.memory * GIB
    if needed > limit:
        return "does not fit"
    return "borderline" if needed > (1 - MARGIN) * limit else "fits"
