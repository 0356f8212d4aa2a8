"""Whether there is a GPU on this machine, and why TensorFlow does not see it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainer.doctor.finding import FAULT, OK, WARNING, Finding

_NVIDIA = "0x10de"  # of a device on the bus
_DISPLAYS = ("0x0300", "0x0302")  # classes of devices: a display, an accelerator
_HIDES = "CUDA_VISIBLE_DEVICES"
_CUDA = "nvidia-cudnn-cu12"  # one of the packages that `make setup GPU=1` installs


def check_gpus(
    kind: str,
    environment: Mapping[str, str],
    *,
    is_used: bool,
    is_tpu_wheel: bool,
    root: Path = Path("/"),
    installed: str | None = None,
) -> Iterator[Finding]:
    """Look for a GPU, and for what keeps TensorFlow from it.

    Args:
        kind: As `distribution.kind`.
        environment: Of this process.
        is_used: Whether a run would be on a GPU, as TensorFlow said.
        is_tpu_wheel: Whether TensorFlow is the wheel for TPUs.
        root: Of the file system; tests have their own.
        installed: The version of CUDA's packages; by default what this environment has, "" for
            none.

    Yields:
        One finding; none where a run is for other devices.
    """
    if kind not in ("auto", "gpu"):
        return
    if is_used:
        yield Finding(OK, "GPU", "TensorFlow sees it")
        return
    has_driver = (root / "dev" / "nvidia0").exists()
    if not (has_driver or _is_on_bus(root)):
        yield Finding(FAULT if kind == "gpu" else OK, "GPU", "none: no NVIDIA GPU on this bus")
        return
    installed = _version(_CUDA) if installed is None else installed
    what, mend = _explain(environment, has_driver, is_tpu_wheel, installed)
    yield Finding(FAULT if kind == "gpu" else WARNING, "GPU", what, mend)


def _explain(
    environment: Mapping[str, str], has_driver: bool, is_tpu_wheel: bool, installed: str
) -> tuple[str, str]:
    if not has_driver:
        what = "there is one, and no driver of it: no /dev/nvidia0"
        return what, "install NVIDIA's driver; `nvidia-smi` then lists the GPU"
    if environment.get(_HIDES) in ("", "-1"):
        what = f"there is one, and {_HIDES}={environment[_HIDES]!r} hides it"
        return what, f"unset {_HIDES}"
    if is_tpu_wheel:
        what = "there is one, and this TensorFlow is the wheel for TPUs, without CUDA"
        return what, "make clean, and then make setup GPU=1"
    if not installed:
        return "there is one, and CUDA's packages are not installed", "make setup GPU=1"
    what = "there is one, and TensorFlow does not see it: an old driver, or a missing library"
    return what, "TF_CPP_MIN_LOG_LEVEL=0 python -c 'import tensorflow as tf; " + (
        "tf.config.list_physical_devices()' names it; nvidia-smi tells the driver's version"
    )


def _is_on_bus(root: Path) -> bool:
    devices = (root / "sys" / "bus" / "pci" / "devices").glob("*")
    return any(
        _read(one / "vendor") == _NVIDIA and _read(one / "class").startswith(_DISPLAYS)
        for one in devices
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
