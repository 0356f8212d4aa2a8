"""Which TensorFlow is really on the disk.

The wheels `tensorflow` and `tensorflow-tpu` fill the same folder, so the one that was installed
last is loaded, whatever pip lists; and to uninstall one takes the other's files away.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from prep.tpu_wheel import has_distribution, list_chips
from trainer.doctor.finding import FAULT, OK, WARNING, Finding
from trainer.doctor.pins import PINS, TPU_PINS

ABOUT = "tensorflow's files"
CPU_WHEEL, TPU_WHEEL = "tensorflow", "tensorflow-tpu"
# Files of both wheels that differ between the two.
MARKS = (
    "tensorflow/libtensorflow_framework.so.2",
    "tensorflow/libtensorflow_cc.so.2",
    "tensorflow/compiler/tf2xla/ops/_xla_ops.so",
    "tensorflow/python/_pywrap_tfe.so",
    "tensorflow/python/lib_pywrap_tensorflow_common.so",
    "tensorflow/python/platform/build_info.py",
)
# Google documents TensorFlow for v2 to v5e and v5p (cloud.google.com/tpu/docs/runtimes).
_UNREACHED = {
    "v6e": "v6e, for which Google documents JAX and PyTorch and not TensorFlow",
    "v7": "TPU7x, which TensorFlow does not reach",
}
_LARGEST_DIGESTED = 1 << 24  # bytes; of larger files the sizes tell enough
_MAKE_ANEW = f"{sys.executable} -m pip uninstall -y {CPU_WHEEL} {TPU_WHEEL} && "


def uses_tpu_wheel() -> bool:
    """Tell whether this environment is meant to load the TPU wheel: pip lists it."""
    return has_distribution(TPU_WHEEL)


def check_wheel() -> list[Finding]:
    """Find out whose files are in the folder `tensorflow`.

    Returns:
        Findings: one on the files, and one on the place they are imported from.
    """
    found = [name for name in (CPU_WHEEL, TPU_WHEEL) if has_distribution(name)]
    if not found:
        return [Finding(FAULT, ABOUT, "TensorFlow is not installed", "make setup")]
    return [_check_files(found), *_check_place(found[0]), *_check_chips(found)]


def _check_files(wheels: list[str]) -> Finding:
    changed = {wheel: changed_files(wheel) for wheel in wheels}
    whole = [wheel for wheel, files in changed.items() if not files]
    install = _MAKE_ANEW + install_command(TPU_WHEEL if TPU_WHEEL in wheels else CPU_WHEEL)
    if not whole:
        wheel, files = next(iter(changed.items()))
        what = (
            "of two wheels, and neither is whole"
            if len(wheels) > 1
            else f"not as {wheel} {metadata.version(wheel)} installed them"
        )
        names = f"{len(files)} of {len(MARKS)} differ, {files[0]} for one"
        return Finding(FAULT, ABOUT, f"{what}: {names}", install)
    said = f"those of {whole[0]} {metadata.version(whole[0])}"
    if len(wheels) > 1:
        what = f"{said}, and pip lists {' and '.join(wheels)}; one of them will be missed"
        return Finding(FAULT if whole[0] == CPU_WHEEL else WARNING, ABOUT, what, install)
    return Finding(OK, ABOUT, said)


def install_command(wheel: str) -> str:
    """Say how to install a wheel by itself."""
    pins = {**PINS, **TPU_PINS}
    command = f"{sys.executable} -m pip install --no-deps {wheel}=={pins[wheel]}"
    return command + (f" libtpu=={pins['libtpu']}" if wheel == TPU_WHEEL else "")


def changed_files(wheel: str) -> list[str]:
    """List the marked files that are not as a wheel installed them.

    Args:
        wheel: An installed distribution.

    Returns:
        Their names, as `MARKS` has them; one that the wheel's own list lacks is not looked at.
    """
    recorded = {file.as_posix(): file for file in metadata.files(wheel) or ()}
    return [mark for mark in MARKS if mark in recorded and not _is_as_recorded(recorded[mark])]


def _is_as_recorded(file: metadata.PackagePath) -> bool:
    path = Path(str(file.locate()))
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.hash is None or (file.size or 0) > _LARGEST_DIGESTED:
        return True
    digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def _check_place(wheel: str) -> list[Finding]:
    """Make sure that `import tensorflow` finds the folder that pip filled."""
    spec = PathFinder.find_spec("tensorflow")
    expected = Path(str(metadata.distribution(wheel).locate_file("tensorflow"))).resolve()
    found = [Path(place).resolve() for place in (spec and spec.submodule_search_locations) or ()]
    if not found or expected in found:
        return []
    what = f"`import tensorflow` finds {found[0]}, and pip's is {expected}"
    return [Finding(FAULT, ABOUT, what, "unset PYTHONPATH, or rename what stands in the way")]


def _check_chips(wheels: list[str]) -> list[Finding]:
    chips = list_chips()
    if why := _UNREACHED.get(chips[0] if chips else ""):
        return [Finding(FAULT, "chips", why, "take a machine of v2 to v4, v5e or v5p")]
    if chips and TPU_WHEEL not in wheels:
        what = f"this machine has {len(chips)} TPU chips ({chips[0]}), and {CPU_WHEEL} knows no TPU"
        return [Finding(FAULT, "wheel", what, "make tpu-setup")]
    return []
