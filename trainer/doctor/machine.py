"""Memory, shared memory and disk of this machine, or of the container it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from trainer.doctor.finding import FAULT, OK, WARNING, Finding

GIB = 1 << 30
MEMINFO = Path("/proc/meminfo")
# What a container may use, and what it uses: of version 2 and 1 of control groups.
LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
SHARED = Path("/dev/shm")
# Loading TensorFlow takes 1 GiB; tracing and compiling the step of a small T5, some 4.
LEAST_MEMORY, ENOUGH_MEMORY = 1 * GIB, 4 * GIB
# Docker gives 64 MiB; libtpu and processes that share arrays want more.
ENOUGH_SHARED = GIB // 4
# A checkpoint of adapters takes megabytes, one of a whole T5 base with its optimizer, 3 GB.
LEAST_DISK, ENOUGH_DISK = GIB // 2, 10 * GIB


def check_machine(folder: Path) -> list[Finding]:
    """Look at what is free.

    Args:
        folder: Where a run would be written; it need not exist.

    Returns:
        The findings.
    """
    return [*_check_memory(), *_check_shared(), _check_disk(folder)]


def free_memory() -> int | None:
    """Read how many bytes a process could still have, or None where nothing tells."""
    free = [value for value in (_free_of_machine(), *map(_free_of_group, LIMITS)) if value]
    return min(free, default=None)


def _free_of_machine() -> int | None:
    if not MEMINFO.is_file():
        return None
    for line in MEMINFO.read_text(encoding="utf-8").splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) * 1024
    return None


def _free_of_group(files: tuple[Path, Path]) -> int | None:
    try:
        limit, used = (int(file.read_text(encoding="utf-8")) for file in files)
    except (OSError, ValueError):  # no such group, or no limit: "max"
        return None
    return max(limit - used, 1)


def _check_memory() -> Iterator[Finding]:
    free = free_memory()
    if free is None:
        return
    status = FAULT if free < LEAST_MEMORY else WARNING if free < ENOUGH_MEMORY else OK
    what = f"{format_size(free)} free"
    if status == OK:
        yield Finding(OK, "memory", what)
    else:
        what += f"; a step of a small T5 takes {format_size(ENOUGH_MEMORY)} to compile"
        yield Finding(status, "memory", what, "end other processes, see `ps aux --sort=-rss`")


def _check_shared() -> Iterator[Finding]:
    if not SHARED.is_dir():
        return
    free = shutil.disk_usage(SHARED).free
    if free >= ENOUGH_SHARED:
        yield Finding(OK, "shared memory", f"{format_size(free)} free in {SHARED}")
    else:
        what = f"{format_size(free)} free in {SHARED}, expected {format_size(ENOUGH_SHARED)}"
        mend = f"docker run --shm-size=1g …, or sudo mount -o remount,size=1g {SHARED}"
        yield Finding(WARNING, "shared memory", what, mend)


def _check_disk(folder: Path) -> Finding:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    status = FAULT if free < LEAST_DISK else WARNING if free < ENOUGH_DISK else OK
    what = f"{format_size(free)} free at {place}"
    if status == OK:
        return Finding(OK, "disk", what)
    what += "; a checkpoint of a whole T5 base takes 3 GB, and a run keeps several"
    return Finding(status, "disk", what, f"du -xh --max-depth=2 {place} | sort -h | tail")


def format_size(count: int) -> str:
    """Write a number of bytes for a person, such as 1.5 GiB."""
    return f"{count / GIB:.1f} GiB" if count >= GIB // 2 else f"{count / 2**20:.0f} MiB"
