"""Jobs in, results out in the same order, over any number of processes.

Processes are spawned, not forked, so that no thread of the parent (TensorFlow starts many) is
copied in the middle of something. A worker whose parent is gone ends itself.
"""

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from prep.encoding import EncodingSettings, ShardJob, ShardResult, ShardWriter
from prep.errors import DataError
from prep.tasks_file import import_module

JOBS_IN_FLIGHT = 2  # per worker: one at work, one waiting, so that memory stays bounded


class WorkerLostError(DataError):
    """A worker process died in the middle of its work."""


_writer: ShardWriter | None = None


def write_shards(
    jobs: Iterator[ShardJob], settings: EncodingSettings, workers: int
) -> Iterator[tuple[ShardJob, ShardResult | DataError]]:
    """Writes shards, in this process or in several.

    Args:
        jobs: What to do; drawn only as fast as it is done.
        settings: What every shard has in common.
        workers: Processes; with 1, everything happens in this one.

    Yields:
        Each job with its result, or with the fault of its task, in the order of the jobs.

    Raises:
        WorkerLostError: If a worker died.
        OSError: If the disk refuses.
    """
    if workers == 1:
        writer = ShardWriter(settings)
        for job in jobs:
            yield job, _attempt(writer, job)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _start_worker, (settings,))
    try:
        yield from _in_order(jobs, executor, workers * JOBS_IN_FLIGHT)
    except BrokenProcessPool as error:
        raise WorkerLostError(
            "a worker process died, perhaps out of memory; try fewer --workers"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _in_order(
    jobs: Iterator[ShardJob], executor: ProcessPoolExecutor, window: int
) -> Iterator[tuple[ShardJob, ShardResult | DataError]]:
    pending: deque[tuple[ShardJob, Future[ShardResult | DataError]]] = deque()
    for job in itertools.chain(jobs, itertools.repeat(None)):
        if job is not None:
            pending.append((job, executor.submit(_write, job)))
        if pending and (job is None or len(pending) >= window):
            first, future = pending.popleft()
            yield first, future.result()
        elif job is None:
            return


def _start_worker(settings: EncodingSettings) -> None:
    global _writer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for module in settings.modules:
        import_module(Path(module))
    _writer = ShardWriter(settings)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write(job: ShardJob) -> ShardResult | DataError:
    if _writer is None:
        raise RuntimeError("the worker was not started with _start_worker")
    return _attempt(_writer, job)


def _attempt(writer: ShardWriter, job: ShardJob) -> ShardResult | DataError:
    """Writes a shard; what is wrong with its task must not end the work on the others."""
    try:
        return writer.write(job)
    except DataError as error:
        return error
