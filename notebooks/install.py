"""Installs what the notebooks need into the runtime they run in: with a TPU, a GPU or a CPU alone.

    python -m notebooks.install [--dry-run]

Where everything is there in the pinned versions, nothing is done.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_HOSTNAMES")


def find_kind(devices: Path = Path("/dev"), environment: Mapping[str, str] = os.environ) -> str:
    """Tell what a runtime has.

    Args:
        devices: Where the system shows them.
        environment: Variables by name.

    Returns:
        `tpu`, `gpu` or `cpu`.
    """
    has_chip = any(devices.glob("accel*")) or any(devices.glob("vfio/[0-9]*"))
    if has_chip or any(environment.get(name) for name in TPU_VARIABLES):
        return "tpu"
    return "gpu" if (devices / "nvidia0").exists() else "cpu"


def pip_words(kind: str) -> list[list[str]]:
    """List what pip is asked for, one call after the other.

    Args:
        kind: As `find_kind` tells it.

    Returns:
        Words after `pip install`.
    """
    if kind == "tpu":  # why without dependencies: docs/tpu.md
        return [["--no-deps", "-r", str(ROOT / "requirements-tpu.txt")]]
    pinned = ["-c", str(ROOT / "constraints.txt")]
    calls = [["-r", str(ROOT / "requirements.txt"), *pinned]]
    if kind == "gpu":
        calls.append([f"tensorflow[and-cuda]=={wanted('cpu')['tensorflow']}", *pinned])
    return calls


def wanted(kind: str) -> dict[str, str]:
    """Read which versions are asked for, by distribution."""
    file = ROOT / ("requirements-tpu.txt" if kind == "tpu" else "requirements.txt")
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "-")):
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate():
                found[one.name] = str(one.specifier).removeprefix("==")
    return found


def missing(kind: str) -> list[str]:
    """List the distributions that are not there as they are asked for."""
    lacking = []
    for name, version in wanted(kind).items():
        try:
            is_there = importlib.metadata.version(name) == version
        except importlib.metadata.PackageNotFoundError:
            is_there = False
        if not is_there:
            lacking.append(name)
    return lacking


def main(argv: list[str]) -> None:
    """Install what is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m notebooks.install", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--dry-run", action="store_true", help="show the commands, run none")
    options = parser.parse_args(argv)
    kind = find_kind()
    lacking = missing(kind)
    print(f"this runtime has a {kind.upper()}; {len(lacking)} packages are to be installed")
    for words in pip_words(kind) if lacking else []:
        command = [sys.executable, "-m", "pip", "install", "--quiet", *words]
        print("$", *command)
        if not options.dry_run:
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
