"""The TPUs that a run may be compiled for, and what their makers say they can do.

Peaks and bandwidths are those of Google Cloud's pages "TPU v3", "TPU v4", "TPU v5e", "TPU v5p" and
"TPU v6e", read in November 2026. A link's speed is theirs of a chip, which counts both directions,
over its four or six links and the two directions. A clock is the peak over the multiplications of
a cycle: 128 by 128 in each multiplier that the page counts, and two operations in each.

Not confirmed: all of v2, whose page was not found; the links of v2, v3 and v4, which the pages do
not tell (here from Google's papers on those machines); the clock of v6e, of whose multipliers,
256 by 256, one version of the page counts four, which makes 1.75 GHz, and another two.

What a program may hold is what libtpu's compiler leaves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from prep.errors import UsageError, nearest

GIB = 2**30


@dataclass(frozen=True)
class Device:
    """What one replica runs on: a chip, or of v2 and v3 one of a chip's two cores.

    Attributes:
        generation: In libtpu's words.
        per_chip: Replicas on a chip.
        axes: Of a topology's name.
        memory: HBM that a program may hold, in GiB.
        peak: Of bfloat16 products, in FLOP/s.
        bandwidth: Of HBM, in bytes/s.
        clock: Cycles per second.
        link: Of one wire to another chip in one direction, in bytes/s.
    """

    generation: str
    per_chip: int
    axes: int
    memory: float
    peak: float
    bandwidth: float
    clock: float
    link: float


DEVICES = {
    device.generation: device
    for device in (
        Device("v2", 2, 2, 7.48, 22.5e12, 350e9, 0.70e9, 62e9),
        Device("v3", 2, 2, 15.48, 61.5e12, 450e9, 0.94e9, 82e9),
        Device("v4", 1, 3, 30.75, 275e12, 1200e9, 1.05e9, 50e9),  # both cores work as one
        Device("v5e", 1, 2, 15.75, 197e12, 819e9, 1.50e9, 50e9),
        Device("v5p", 1, 3, 95.74, 459e12, 2765e9, 1.75e9, 100e9),
        Device("v6e", 1, 2, 31.25, 918e12, 1640e9, 1.75e9, 100e9),
    )
}
# The names that TPUs are rented by. The number is of cores up to v5p, and of chips after it.
FRIENDLY = {
    "v2-8": "v2:2x2",
    "v3-8": "v3:2x2",
    "v4-8": "v4:2x2x1",
    "v5e-1": "v5e:1x1",
    "v5e-4": "v5e:2x2",
    "v5e-8": "v5e:2x4",
    "v5p-8": "v5p:2x2x1",
    "v6e-1": "v6e:1x1",
    "v6e-4": "v6e:2x2",
    "v6e-8": "v6e:2x4",
}
# What Google Cloud calls a slice of v5e, `v5litepod-8`.
_ACCELERATOR_TYPES = {"v5litepod": "v5e"}


@dataclass(frozen=True)
class Topology:
    """Some chips of a kind, and how they are wired.

    Attributes:
        name: In libtpu's words, such as `v5e:2x4`.
        device: What each replica runs on.
        replicas: How many there are.
        host_bounds: Chips of a host, where libtpu must be told.
    """

    name: str
    device: Device
    replicas: int
    host_bounds: tuple[int, ...] = ()


def find_topology(name: str) -> Topology:
    """Look a topology up.

    Args:
        name: As TPUs are rented (`v5e-8`, `v5litepod-8`), or as libtpu calls them (`v5e:2x4`).

    Returns:
        The topology.

    Raises:
        UsageError: No TPU is called so.
    """
    asked = name.strip().lower()
    for accelerator, generation in _ACCELERATOR_TYPES.items():
        asked = asked.replace(accelerator, generation, 1)
    raw = FRIENDLY.get(asked, asked)
    match = re.fullmatch(r"(v\d\w?):(\d+(?:x\d+)*)", raw)
    device = DEVICES.get(match[1]) if match else None
    if match is None or device is None:
        raise UsageError(f"--topology {name!r} is unknown; {_advise(asked)}")
    sizes = [int(size) for size in match[2].split("x")]
    if len(sizes) != device.axes:
        axes = "x".join("2" * device.axes)
        raise UsageError(
            f"--topology {name!r}: expected {device.axes} sizes, as in {device.generation}:{axes}"
        )
    chips = prod(sizes)
    if not chips:
        raise UsageError(f"--topology {name!r} has no chips; expected sizes of 1 or more")
    # Libtpu's hosts have four chips in a square.
    if chips != 1 and any(size % 2 for size in sizes[:2]):
        raise UsageError(
            f"--topology {name!r}: hosts have 2x2 chips; expected one chip, or even sizes"
        )
    bounds = (1, 1, 1) if chips == 1 else ()
    return Topology(raw, device, chips * device.per_chip, bounds)


def _advise(asked: str) -> str:
    """Name what would do: of a generation that is known, all that a run of one host may have."""
    generation, _, size = asked.partition("-")
    if generation not in DEVICES:
        return nearest(asked, FRIENDLY)
    known = [name for name in FRIENDLY if name.startswith(f"{generation}-")]
    device = DEVICES[generation]
    words = f"{generation}:{'x'.join('4' * device.axes)}"
    is_larger = size.isdecimal() and int(size) > int(known[-1].partition("-")[2])
    several = f"; larger ones, which a run cannot use, are named as in {words}"
    return f"of one host there {'are' if len(known) > 1 else 'is'} {', '.join(known)}" + (
        several if is_larger else ""
    )
