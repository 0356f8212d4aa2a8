"""Whether what is installed is what was tried together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata

from trainer.doctor.finding import FAULT, OK, WARNING, Finding
from trainer.doctor.pins import DECIDING_NUMBERS, PYTHONS, TPU_PYTHONS, pins_for

ABOUT = "versions"


def check_versions(
    *, is_tpu: bool, python: tuple[int, int] = sys.version_info[:2]
) -> list[Finding]:
    """Compare what is installed with the pins.

    Args:
        is_tpu: Whether TensorFlow comes from the TPU wheel.
        python: Major and minor version.

    Returns:
        A finding for each difference, or one that says there is none.
    """
    pins = pins_for(is_tpu=is_tpu, python=python)
    findings = [*_check_python(python, is_tpu=is_tpu)]
    for name, pin in pins.items():
        finding = _check_version(name, pin, is_tpu=is_tpu)
        if finding is not None:
            findings.append(finding)
    if not findings:
        first = ", ".join(f"{name} {pin}" for name, pin in list(pins.items())[:4])
        what = f"all {len(pins)} are the pinned ones ({first}, …)"
        findings = [Finding(OK, ABOUT, what)]
    return findings


def _check_python(python: tuple[int, int], *, is_tpu: bool) -> Iterator[Finding]:
    first, last = TPU_PYTHONS if is_tpu else PYTHONS
    if not first <= python <= last:
        named = f"3.{first[1]} to 3.{last[1]}" + (" for TPUs" if is_tpu else "")
        target = "tpu-setup" if is_tpu else "setup"
        mend = f"rm -rf .venv && make {target} PYTHON=python3.11"
        yield Finding(FAULT, "python", f"this is 3.{python[1]}, expected {named}", mend)


def _check_version(name: str, pin: str, *, is_tpu: bool) -> Finding | None:
    # tf-keras and tensorflow-text ask for `tensorflow`, which must not come beside the TPU wheel.
    mend = f"{sys.executable} -m pip install {'--no-deps ' if is_tpu else ''}{name}=={pin}"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(FAULT, name, f"not installed, expected {pin}", mend)
    if version == pin:
        return None
    deciding = DECIDING_NUMBERS.get(name, 0)
    is_fault = version.split(".")[:deciding] != pin.split(".")[:deciding]
    return Finding(FAULT if is_fault else WARNING, name, f"{version}, expected {pin}", mend)
