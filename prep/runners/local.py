"""Jobs in, results out in the same order, over any number of processes.

Processes are spawned, not forked, so that no thread of the parent (TensorFlow starts many) is
copied in the middle of something. A worker whose parent is gone ends itself. When a worker dies
(code of a task crashes, the system takes back its memory), the jobs that were in flight are done
again one at a time: those of which a worker dies once more fail, and their task with them.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from prep.errors import DataError
from prep.runners.ahead import map_ahead
from prep.shards.jobs import EncodingSettings, ShardJob, ShardResult
from prep.shards.writer import ShardWriter
from prep.storage.durable_files import sync_file
from prep.tasks.tasks_module import import_module

SYNCS_IN_FLIGHT = 2  # per worker
JOBS_IN_FLIGHT = 2  # per worker: one at work, one waiting, so that memory stays bounded


class WorkerLostError(DataError):
    """What does the work is gone, through no fault of a task."""


_writer: ShardWriter | None = None
_Done = Generator[tuple[ShardJob, ShardResult | DataError], None, None]


def write_shards(
    jobs: Iterator[ShardJob], settings: EncodingSettings, workers: int
) -> Iterator[tuple[ShardJob, ShardResult | DataError]]:
    """Write shards, in this process or in several.

    Args:
        jobs: What to do; drawn only as fast as it is done.
        settings: What every shard has in common.
        workers: Processes; with 1, everything happens in this one.

    Yields:
        Each job with its result, or with the fault of its task, in the order of the jobs.

    Raises:
        WorkerLostError: If no worker can be started.
        OSError: If the disk refuses.
    """
    done: _Done
    if workers == 1:
        writer = ShardWriter(settings)
        done = ((job, _attempt(writer, job)) for job in jobs)
    else:
        done = _in_order(jobs, settings, workers)
    with contextlib.closing(done):
        yield from map_ahead(_sync, done, SYNCS_IN_FLIGHT * workers)


def _sync(
    done: tuple[ShardJob, ShardResult | DataError],
) -> tuple[ShardJob, ShardResult | DataError]:
    """Wait until the disk has a shard."""
    job, result = done
    if not isinstance(result, DataError):
        for path in (job.path, job.rejected_path):
            if path.exists():
                sync_file(path)
    return done


_Pending = tuple[ShardJob, "Future[ShardResult | DataError]"]


def _in_order(jobs: Iterator[ShardJob], settings: EncodingSettings, workers: int) -> _Done:
    executor = _start_executor(settings, workers)
    pending: deque[_Pending] = deque()
    try:
        for job in itertools.chain(jobs, itertools.repeat(None)):
            if job is not None:
                pending.append((job, _submit(executor, job)))
            if pending and (job is None or len(pending) >= workers * JOBS_IN_FLIGHT):
                try:
                    result = _result_of(*pending[0])
                except BrokenProcessPool:  # any of the jobs in flight may be the one to blame
                    executor.shutdown()
                    yield from _one_by_one(pending, settings)
                    pending.clear()
                    executor = _start_executor(settings, workers)
                else:
                    yield pending.popleft()[0], result
            elif job is None:
                return
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _one_by_one(
    pending: Iterable[_Pending], settings: EncodingSettings
) -> Iterator[tuple[ShardJob, ShardResult | DataError]]:
    """Do the jobs that were in flight when a worker died; who dies alone is to blame."""
    blamed: dict[str, DataError] = {}
    executor: ProcessPoolExecutor | None = None
    try:
        for job, future in pending:
            result: ShardResult | DataError
            if not isinstance(future.exception(), BrokenProcessPool):
                result = _result_of(job, future)
            elif job.task.name in blamed:
                result = blamed[job.task.name]
            else:
                executor = executor or _start_sound_executor(settings)
                try:
                    result = _result_of(job, executor.submit(_write, job))
                except BrokenProcessPool:
                    executor.shutdown()
                    executor = None
                    result = blamed[job.task.name] = _describe_death(job)
            yield job, result
    finally:
        if executor:
            executor.shutdown(wait=True, cancel_futures=True)


def _result_of(job: ShardJob, future: Future[ShardResult | DataError]) -> ShardResult | DataError:
    """Wait for a result; a job that cannot be sent to a worker is its task's fault.

    Raises:
        BrokenProcessPool: If a worker died.
        OSError: If the disk refuses.
    """
    try:
        return future.result()
    except (BrokenProcessPool, OSError):
        raise
    except Exception as error:
        return DataError(
            f"{job.split} from row {job.block.first_row:,} of {job.block.file} cannot be sent to a"
            f" worker process ({type(error).__name__}: {error}); `workers=1` needs none"
        )


def _describe_death(job: ShardJob) -> DataError:
    return DataError(
        f"writing {job.split} from row {job.block.first_row:,} of {job.block.file} ended the worker"
        " process, by itself or by a lack of memory"
    )


def _start_executor(settings: EncodingSettings, workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _start_worker, (settings,))


def _start_sound_executor(settings: EncodingSettings) -> ProcessPoolExecutor:
    """Start one worker, so that a machine on which none can start blames no task."""
    executor = _start_executor(settings, 1)
    try:
        executor.submit(os.getpid).result()
    except BrokenProcessPool as error:
        executor.shutdown()
        raise WorkerLostError(
            "worker processes end as they start, perhaps out of memory; try `workers=1`"
        ) from error
    return executor


def _submit(executor: ProcessPoolExecutor, job: ShardJob) -> Future[ShardResult | DataError]:
    try:
        return executor.submit(_write, job)
    except BrokenProcessPool as error:
        lost: Future[ShardResult | DataError] = Future()
        lost.set_exception(error)
        return lost


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
    """Write a shard; what is wrong with its task must not end the work on the others."""
    try:
        return writer.write(job)
    except DataError as error:
        return error
