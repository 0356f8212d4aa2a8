"""Which code and which libraries made a file."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "tensorflow",
    "tf-keras",
    "transformers",
    "sentencepiece",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
    "sacrebleu",
    "rouge-score",
)


def list_versions() -> dict[str, str]:
    """List the versions of what decides the figures.

    On a TPU the distribution `tensorflow` may be missing, and `tensorflow-tpu` be there instead.

    Returns:
        By package; one that is not installed under that name is "absent".
    """
    return {"python": platform.python_version()} | {
        package: _version(package) for package in PACKAGES
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def find_commit() -> str:
    """Name the commit this code was checked out at, or say that it is unknown."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
