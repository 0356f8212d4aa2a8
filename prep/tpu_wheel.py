"""What must be said before TensorFlow is imported where it comes from the TPU wheel.

`adapters_tf.tpu_wheel` has the same rules; a test holds the two copies together.
"""

import contextlib
import os
from importlib import metadata
from pathlib import Path

PCI_DEVICES = Path("/sys/bus/pci/devices")
DEVICE_FILES = Path("/dev")
_GOOGLE = "0x1ae0"
# By the device number that a chip has on the bus; Google's network cards have others.
CHIPS = {
    "0x0027": "v2 or v3",
    "0x005e": "v4",
    "0x0062": "v5p",
    "0x0063": "v5e",
    "0x006f": "v6e",
    "0x0076": "v7",
}
# What libtpu is not loaded from, where there is no chip for it.
NO_LIBRARY = "/dev/null/this-machine-has-no-tpu-chip"


def has_distribution(name: str) -> bool:
    """Tell whether pip installed a distribution here.

    Args:
        name: Such as tensorflow-tpu.

    Returns:
        True when it did.
    """
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def list_chips() -> list[str]:
    """List the TPU chips of this machine.

    Returns:
        The generation of each, such as v5e; "TPU" where only device files tell of them.
    """
    chips = []
    for device in sorted(PCI_DEVICES.glob("*")):
        with contextlib.suppress(OSError):
            if (device / "vendor").read_text(encoding="utf-8").strip() == _GOOGLE:
                chips.append(CHIPS.get((device / "device").read_text(encoding="utf-8").strip()))
    known = [chip for chip in chips if chip]
    return known or ["TPU"] * len(list(DEVICE_FILES.glob("accel[0-9]*")))


def prepare_tpu_wheel() -> None:
    """Set what the TPU wheel needs, unless the environment says it; call before importing it.

    transformers looks for a distribution that is called tensorflow, and without one has no
    TensorFlow classes. Where there is no chip, libtpu would ask Google's metadata server for
    minutes which one it has, so it is not loaded.
    """
    if not has_distribution("tensorflow-tpu"):
        return
    os.environ.setdefault("FORCE_TF_AVAILABLE", "1")
    if not list_chips():
        os.environ.setdefault("TPU_LIBRARY_PATH", NO_LIBRARY)
