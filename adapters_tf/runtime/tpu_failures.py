"""What TensorFlow says where no TPU can be had, in plain words, and what mends it."""

from __future__ import annotations

import re
from dataclasses import dataclass

RIGHT_WHEEL = "make tpu-setup"


@dataclass(frozen=True)
class TpuFailure:
    """Why there is no TPU to train on.

    Attributes:
        what: A sentence without its full stop.
        mend: A command, or what to do.
    """

    what: str
    mend: str


_NO_CHIP = TpuFailure(
    "libtpu finds no TPU chip on this machine",
    "run this on a TPU VM (gcloud compute tpus tpu-vm create …), or set --distribution.kind=cpu",
)
_NOT_FOUND = TpuFailure(
    "the TPU's name is looked up with Google Cloud, which does not answer here",
    "on the TPU VM itself: export TPU_NAME=local",
)
# What is found in the text of the error, the first that matches.
_FAILURES: tuple[tuple[str, TpuFailure], ...] = (
    (
        r"No OpKernel was registered.*ConfigureDistributedTPU",
        TpuFailure(
            "the TensorFlow that is installed is built without TPUs; tensorflow-tpu has them",
            RIGHT_WHEEL,
        ),
    ),
    (
        r"already in use by|[Ll]ibtpu lockfile|Device or resource busy",
        TpuFailure(
            "another process holds the TPU",
            "end the process that `sudo lsof -w /dev/accel* /dev/vfio/*` names",
        ),
    ),
    (r"RET_CHECK failure|TPUs not found in the cluster|No matching devices found", _NO_CHIP),
    (r"urlopen error|Name or service not known|Google API client|metadata", _NOT_FOUND),
    (
        r"[Pp]ermission denied|PERMISSION_DENIED|HttpError 40[13]",
        TpuFailure(
            "this account may not use the TPU",
            "gcloud auth application-default login, or run as a user of the TPU VM's group",
        ),
    ),
    (
        r"failed to connect|UNAVAILABLE|Deadline|http2 header",
        TpuFailure(
            "nothing answers at the TPU's address",
            "gcloud compute tpus tpu-vm list --zone=ZONE, and name one that is READY",
        ),
    ),
)


def explain_tpu_failure(text: str) -> TpuFailure:
    """Say in plain words why TensorFlow found no TPU.

    Args:
        text: Of the error, all its lines.

    Returns:
        The reason and its mend; for an error that nobody here has met, its own first line.
    """
    for pattern, failure in _FAILURES:
        if re.search(pattern, text, re.DOTALL):
            return failure
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((line for line in lines if not line.endswith("error:")), "no reason was given")
    return TpuFailure(first, "python -m trainer.doctor --kind=tpu")
