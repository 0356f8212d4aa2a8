"""What a worker of a Beam runner does: fetch a job from the exchange, write its shard there.

A worker may be any machine that has this package (`prep.runners.beam.package` ships it) and sees
the exchange. Each shard comes out of the same `ShardWriter` that local builds use, so its bytes do
not depend on where it was written, and a job that a runner repeats writes the same files again.
"""

import dataclasses
import functools
import hashlib
import json
import pickle
import tempfile
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import DataError
from prep.runners.beam.exchange import Exchange, open_exchange
from prep.shards.fingerprints import code_digest
from prep.shards.jobs import (
    EncodingSettings,
    ShardJob,
    ShardResult,
    result_as_json,
    result_from_json,
)
from prep.shards.writer import ShardWriter
from prep.storage import place_of
from prep.tasks.tasks_module import import_module, module_name

VOCABULARY = "vocabulary.model"
JOB_LIST = "jobs.json"
JOB, SHARD, REJECTED, RESULT = ".job", ".tfrecord", ".rejected.jsonl", ".json"
_KEY_DIGITS = 16
_PREPARING = threading.Lock()  # a worker may have many threads; a module must be whole for all


@dataclass(frozen=True)
class ShardWorker:
    """A writer of shards by their keys; small, hashable and picklable, so that runners can send it.

    Attributes:
        exchange: Local path or gs:// address.
        settings: What every shard has in common; the paths in it are the build's, not ours.
        digest: From `share_settings`.
    """

    exchange: str
    settings: EncodingSettings
    digest: str

    def list_jobs(self, name: str) -> list[str]:
        """Read the keys of the jobs to do.

        Args:
            name: Of the list in the exchange.

        Returns:
            The keys.
        """
        return json.loads(_fetch(open_exchange(place_of(self.exchange)), name))

    def write(self, key: str) -> str:
        """Write one shard and, last, what came of it.

        Args:
            key: Of the job.

        Returns:
            The key.

        Raises:
            OSError: If the disk refuses.
            DataError: If the exchange lacks the job or cannot be reached.
        """
        with _PREPARING:
            exchange, writer = _prepare(self)
        job = _unpack(_fetch(exchange, key + JOB))
        with tempfile.TemporaryDirectory(prefix="prep-") as folder:
            shard, rejected = Path(folder, "shard"), Path(folder, "rejected")
            try:
                result = writer.write(dataclasses.replace(job, path=shard, rejected_path=rejected))
            except DataError as error:  # of the task: it must not end the work on the others
                exchange.write(key + RESULT, json.dumps({"error": str(error)}).encode())
                return key
            exchange.write(key + SHARD, shard.read_bytes())
            if result.rejected:
                exchange.write(key + REJECTED, rejected.read_bytes())
        exchange.write(key + RESULT, json.dumps(result_as_json(result)).encode())
        return key


def share_settings(exchange: Exchange, settings: EncodingSettings) -> str:
    """Put into the exchange what all jobs need.

    Args:
        exchange: The exchange.
        settings: What every shard has in common.

    Returns:
        Fingerprint of it and of this program, hexadecimal.

    Raises:
        OSError: If a file cannot be read.
        DataError: If the exchange cannot be reached.
    """
    modules = [Path(module) for module in settings.modules]
    files = {VOCABULARY: Path(settings.vocabulary)} | {_module_file(path): path for path in modules}
    limits = dataclasses.replace(settings, vocabulary="", modules=())
    digest = hashlib.sha256(f"{limits}{code_digest(modules)}".encode())
    for name, path in files.items():
        content = path.read_bytes()
        digest.update(content)
        exchange.write(name, content)
    return digest.hexdigest()


def pack_job(job: ShardJob, settings_digest: str) -> tuple[str, bytes]:
    """Turn a job into bytes that a worker understands.

    Args:
        job: The job.
        settings_digest: From `share_settings`.

    Returns:
        Its key, which is another one if anything is different, and the bytes.
    """
    placeless = dataclasses.replace(job, path=Path(), rejected_path=Path())
    content = pickle.dumps(placeless, protocol=4)
    digest = hashlib.sha256(settings_digest.encode() + content).hexdigest()[:_KEY_DIGITS]
    return f"{job.task.name}/{job.path.stem}-{digest}", zlib.compress(content, 1)


def read_result(exchange: Exchange, key: str) -> ShardResult | DataError | None:
    """Look up what came of a job.

    Args:
        exchange: The exchange.
        key: Of the job.

    Returns:
        Its figures, the fault of its task, or None as long as nothing is known.

    Raises:
        DataError: If the exchange cannot be reached.
    """
    content = exchange.read(key + RESULT)
    if content is None:
        return None
    values = json.loads(content)
    return DataError(values["error"]) if "error" in values else result_from_json(values)


def _unpack(content: bytes) -> ShardJob:
    return pickle.loads(zlib.decompress(content))


def _fetch(exchange: Exchange, name: str) -> bytes:
    content = exchange.read(name)
    if content is None:
        raise DataError(f"the exchange of the build lacks {name}; do all workers see its folder?")
    return content


@functools.lru_cache(maxsize=1)
def _prepare(worker: ShardWorker) -> tuple[Exchange, ShardWriter]:
    """Import the modules of the tasks and load the vocabulary, once per process."""
    exchange = open_exchange(place_of(worker.exchange))
    with tempfile.TemporaryDirectory(prefix="prep-") as folder:
        for module in map(Path, worker.settings.modules):
            copy = Path(folder, module.name)
            copy.write_bytes(_fetch(exchange, _module_file(module)))
            import_module(copy, module_name(module))
        vocabulary = Path(folder, VOCABULARY)
        vocabulary.write_bytes(_fetch(exchange, VOCABULARY))
        settings = dataclasses.replace(worker.settings, vocabulary=str(vocabulary))
        return exchange, ShardWriter(settings)


def _module_file(module: Path) -> str:
    return f"modules/{module_name(module)}.py"


def jobs_in_list(keys: Sequence[str]) -> bytes:
    """Write down the keys of the jobs to do.

    Args:
        keys: The keys.

    Returns:
        The content of the list.
    """
    return json.dumps(list(keys)).encode()
