"""What of an interrupted build can be used again: a line per finished shard.

The journal lies in the hidden folder that a build writes to. A line is added when its shard is on
the disk, and holds all that the build must know of the shard, with a fingerprint of whatever
decided its bytes. After `kill -9`, the next build takes the shards whose fingerprint is that of
the task as it is now and whose checksum is that of the file; everything else in the folder is
deleted. A line that was cut off in the middle is as good as none.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c

from prep.dataset.manifest import Manifest
from prep.shards.fingerprints import code_digest
from prep.shards.jobs import ShardJob, ShardResult, result_as_json, result_from_json
from prep.splits.selection import Selection
from prep.storage.durable_files import write_atomically

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """The finished shards of a folder that is being written.

    Args:
        folder: The hidden folder; made if it is not there, else rid of what cannot be used.
        fingerprints: Of the tasks to build, by name.

    Raises:
        OSError: If the disk refuses.
    """

    def __init__(self, folder: Path, fingerprints: Mapping[str, str]):
        self._folder = folder
        self._fingerprints = fingerprints
        folder.mkdir(parents=True, exist_ok=True)
        lines = {line["shard"]: line for line in self._read() if self._is_usable(line)}
        self._clear(lines)
        self._found = {shard: result_from_json(line["result"]) for shard, line in lines.items()}
        content = "".join(json.dumps(line) + "\n" for line in lines.values())
        write_atomically(self._path, content.encode())

    @property
    def _path(self) -> Path:
        return self._folder / JOURNAL_FILE

    def find(self, job: ShardJob) -> ShardResult | None:
        """Look for a shard that an interrupted build has finished.

        Args:
            job: The shard.

        Returns:
            What came of it; None if it has to be written.
        """
        return self._found.get(self._name_of(job.path))

    def add(self, job: ShardJob, result: ShardResult) -> None:
        """Note that a shard is on the disk.

        Args:
            job: The shard.
            result: What came of it.

        Raises:
            OSError: If the disk refuses.
        """
        line = {
            "shard": self._name_of(job.path),
            "rejected": self._name_of(job.rejected_path) if result.rejected else "",
            "task": job.task.name,
            "fingerprint": self._fingerprints[job.task.name],
            "result": result_as_json(result),
        }
        # Closing hands the line to the system, where it is safe from the end of this process.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def remove(self) -> None:
        """Delete the journal from a folder that is finished."""
        self._path.unlink()

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self._path.is_file():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _is_usable(self, line: dict[str, Any]) -> bool:
        if line.get("fingerprint", "") != self._fingerprints.get(line.get("task", "")):
            return False
        if line["rejected"] and not (self._folder / line["rejected"]).is_file():
            return False
        shard = self._folder / line["shard"]
        if not shard.is_file() or shard.stat().st_size != line["result"]["bytes"]:
            return False
        return f"{google_crc32c.value(shard.read_bytes()):08x}" == line["result"]["crc32c"]

    def _clear(self, lines: Mapping[str, dict[str, Any]]) -> None:
        """Delete whatever is not a usable shard or its rejected rows."""
        kept = {name for line in lines.values() for name in (line["shard"], line["rejected"])}
        for path in list(self._folder.iterdir()):
            if path.is_dir() and path.name in self._fingerprints:
                for file in path.iterdir():
                    if self._name_of(file) not in kept:
                        file.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def fingerprint_task(
    planned: Manifest, name: str, selection: Selection, modules: Sequence[Path]
) -> str:
    """Fingerprint all that decides the bytes of a task's shards: options, sources and code.

    Args:
        planned: The manifest before any row was encoded.
        name: The task's name.
        selection: How its splits are made.
        modules: Python files that define tasks.

    Returns:
        Sixteen hexadecimal digits.
    """
    common = dataclasses.replace(planned, tasks={}, failed={})
    parts = repr((common, planned.tasks[name], selection, code_digest(modules)))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
