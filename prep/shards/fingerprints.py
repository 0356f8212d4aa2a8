"""Numbers that tell texts apart, so that equal ones meet whichever shards they are in."""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import google_crc32c
import numpy as np

PACKAGE = Path(__file__).parents[1]  # all of `prep`, not this wing


def fingerprint_texts(texts: Iterable[str]) -> np.ndarray:
    """Fingerprint texts, by two checksums because they cost a third of a digest.

    Args:
        texts: Any texts.

    Returns:
        uint64 [texts].
    """
    encoded = [text.encode("utf-8", "backslashreplace") for text in texts]
    upper, lower = (
        np.fromiter(map(checksum, encoded), np.uint64, len(encoded))
        for checksum in (zlib.crc32, google_crc32c.value)
    )
    return upper << np.uint64(32) | lower


def fingerprint_group(group: str) -> int:
    """Fingerprint what a group of examples has in common.

    Args:
        group: Its name, or the document that they are about.

    Returns:
        63 bits of a digest, which fit an int64.
    """
    digest = hashlib.blake2b(group.encode("utf-8", "backslashreplace"), digest_size=8)
    return int.from_bytes(digest.digest(), "little") >> 1


def code_digest(modules: Sequence[Path]) -> str:
    """Fingerprint this package and modules: no newer program continues an older one's work.

    Args:
        modules: Python files that define tasks.

    Returns:
        Sixty-four hexadecimal digits.

    Raises:
        OSError: If a module cannot be read.
    """
    digest = hashlib.sha256()
    for path in (*sorted(PACKAGE.rglob("*.py")), *modules):
        digest.update(path.read_bytes())
    return digest.hexdigest()
