"""What a dataset's examples are, by what the manifest says of them and not by where it lies."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from prep.dataset.entries import TaskEntry

# Of a split, what says which examples it holds, whatever program counted them.
_SHARD = ("records", "bytes", "crc32c")
_TASK = ("kind", "label_words", "metrics", "decoding_length")


def task_digest(entry: TaskEntry, splits: Iterable[str]) -> str:
    """Compute the digest of what a task's examples and answers are.

    Args:
        entry: Of the manifest.
        splits: Those that are read; others may change.

    Returns:
        Hexadecimal SHA-256.
    """
    held = asdict(entry)
    told: dict[str, Any] = {name: held[name] for name in _TASK}
    for split in splits:
        if split in held["splits"]:
            shards = held["splits"][split]["shards"]
            told[split] = [[shard[name] for name in _SHARD] for shard in shards]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
