"""Compile a StableHLO file with libtpu: run by the Python that has jax, which has no TensorFlow.

    python compile_worker.py STEP.mlir STEP.hlo --topology v5e:2x4 --replicas 8
    python compile_worker.py --versions

Writes the optimised program, and prints one line of JSON with what the compiler says of it; or only
which compiler it would be. It imports nothing of this project.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import time
from importlib import metadata
from pathlib import Path
from typing import Any

# Without these libtpu asks a metadata server that is not there, and waits for it.
ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "JAX_PLATFORMS": "cpu",
}
PACKAGES = ("jax", "jaxlib", "libtpu")
_PR_SET_PDEATHSIG = 1  # of prctl(2)
# Of `CompiledMemoryStats`, in bytes.
SIZES = ("argument", "output", "alias", "temp", "generated_code")


def compile_step(step: str, topology: str, bounds: list[int], replicas: int) -> dict[str, Any]:
    """Compile a program for a topology.

    Args:
        step: A StableHLO module, as text.
        topology: In libtpu's words, such as `v5e:2x4`.
        bounds: Chips per host, along three axes; empty for libtpu's own.
        replicas: Copies of the program, each on a device of its own.

    Returns:
        The program as text, what memory it takes in bytes, and its floating-point operations.
    """
    import numpy as np
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax
    from jax._src.lib.mlir import ir
    from jax.experimental import topologies

    options = {"chips_per_host_bounds": bounds} if bounds else {}
    described = topologies.get_topology_desc(platform="tpu", topology_name=topology, **options)
    devices = described.devices[:replicas]
    with mlir.make_ir_context():
        module = mlir.module_to_bytecode(ir.Module.parse(step))
    executable = devices[0].client.compile(
        module,
        executable_devices=_jax.DeviceList(tuple(devices)),
        compile_options=compiler.get_compile_options(
            num_replicas=replicas,
            num_partitions=1,
            device_assignment=np.array([[device.id] for device in devices]),
        ),
    )
    memory = executable.get_compiled_memory_stats()
    costs = executable.cost_analysis()
    costs = costs[0] if isinstance(costs, list) else costs
    return {
        "program": executable.hlo_modules()[0].to_string(),
        "memory": {name: getattr(memory, f"{name}_size_in_bytes") for name in SIZES},
        "flops": float(costs.get("flops", 0.0)),
    }


def find_versions() -> dict[str, str]:
    """Look up the compiler's packages; what is not installed has an empty version."""
    versions = dict.fromkeys(PACKAGES, "")
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def end_with(parent: int) -> None:
    """Let this process be killed when the one that asked is, so that no compiler is left behind.

    Args:
        parent: The process that asked; 0 where it does not say.
    """
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):  # no Linux
        return
    if parent and os.getppid() != parent:  # it is gone already
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Compile one file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", type=Path, nargs="?")
    parser.add_argument("program", type=Path, nargs="?")
    parser.add_argument("--topology")
    parser.add_argument("--bounds", default="")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--versions", action="store_true")
    given = parser.parse_args()
    compiler = find_versions()
    if given.versions:
        print(json.dumps(compiler))
        return
    end_with(given.parent)
    os.environ.update(ENVIRONMENT)
    bounds = [int(size) for size in given.bounds.split(",")] if given.bounds else []
    begun = time.monotonic()
    try:
        found = compile_step(given.step.read_text(), given.topology, bounds, given.replicas)
    except Exception as error:  # whatever the compiler says is the answer
        found = {"error": f"{type(error).__name__}: {error}"}
    else:
        given.program.write_text(found.pop("program"))
    print(json.dumps({**found, "compiler": compiler, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
