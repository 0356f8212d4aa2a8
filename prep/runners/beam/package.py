"""This package as a wheel, made on the spot, for machines that install it and nothing else of ours.

Runners that start machines of their own give them Beam but not the program that was launched. A
wheel of `prep` alone, made of the very files that are running, works for a checkout as for an
installed package and keeps TensorFlow off the workers, which do not need it.
https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import base64
import hashlib
import importlib.metadata
import zipfile
from pathlib import Path

from prep.shards.fingerprints import PACKAGE, code_digest

_NAME = "t5_task_adapters_prep"
_PINNED = ("numpy", "sentencepiece")  # the ones that decide bytes
_NEEDED = ("google-crc32c", "google-cloud-storage", "pyyaml", "tqdm")


def write_wheel(folder: Path) -> Path:
    """Write a wheel of this package.

    Args:
        folder: Where to.

    Returns:
        Path of the wheel.

    Raises:
        OSError: If the disk refuses.
    """
    version = f"0+{code_digest(())[:12]}"
    package = PACKAGE
    files = {
        f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    information = f"{_NAME}-{version}.dist-info"
    files[f"{information}/METADATA"] = _metadata(version).encode()
    files[f"{information}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: prep\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{information}/RECORD"
    lines = [_record_line(name, content) for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    path = folder / f"{_NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return path


def _metadata(version: str) -> str:
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in _PINNED]
    required = "".join(f"Requires-Dist: {name}\n" for name in (*pinned, *_NEEDED))
    return f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {version}\n{required}"


def _record_line(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"
