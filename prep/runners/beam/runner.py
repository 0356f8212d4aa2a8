"""The shards of a build on Apache Beam: the local pool's jobs and results, over any of its runners.

The build puts every job, rows included, into the exchange and gives the runner only their names,
so that a pipeline is small however large the data (Dataflow refuses job descriptions of more than
10 MB) and workers need to see neither the sources nor the launching machine. What came of the jobs
is taken from the exchange as it appears; it stays there if the launching process is killed, and
the next build with the same options takes it from there.
https://beam.apache.org/documentation/programming-guide/
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import logging
import re
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import google_crc32c

from prep.errors import DataError, UsageError
from prep.runners.ahead import map_ahead
from prep.runners.beam.exchange import Exchange, exchange_folder, open_exchange
from prep.runners.beam.package import write_wheel
from prep.runners.beam.worker import (
    JOB,
    JOB_LIST,
    REJECTED,
    RESULT,
    SHARD,
    ShardWorker,
    jobs_in_list,
    pack_job,
    read_result,
    share_settings,
)
from prep.runners.local import WorkerLostError
from prep.shards.jobs import EncodingSettings, ShardJob, ShardResult
from prep.storage import LocalPlace, Place
from prep.storage.durable_files import write_durably

BEAM_VERSION = "2.77.0"
_INSTALL = f"pip install 'apache-beam[gcp]=={BEAM_VERSION}'"
_CONNECT_SECONDS = 10
_AT_A_TIME = 16  # jobs put into the exchange, or shards taken out of it
_GRPC_DETAILS = re.compile(r'details = "(.+)"')
_POLL_SECONDS = {False: 0.05, True: 5.0}  # by whether the exchange is a bucket
_SAME_MACHINE = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner", "PrismRunner")


def parse_beam_options(flags: Sequence[str], out: Place) -> Any:
    """Check what can be checked before the long work begins.

    Args:
        flags: Options of Beam and its runner, such as --runner=DataflowRunner.
        out: The dataset folder to make.

    Returns:
        Beam's `PipelineOptions`.

    Raises:
        UsageError: If Beam is not installed, an option is wrong, or the runner's machines cannot
            see `out`.
    """
    module = _import_beam("apache_beam.options.pipeline_options")
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            options = module.PipelineOptions(list(flags))
            options.get_all_options()  # parsed here, not when an option is first looked at
            name = _runner_of(options)
        runner = _import_beam("apache_beam.runners.runner").create_runner(name)
    except SystemExit as error:
        reason = messages.getvalue().splitlines()[-1].partition("error: ")[2]
        raise UsageError(f"`beam_options`: {reason}") from error
    except ValueError as error:
        raise UsageError(f"`beam_options`: {error}") from error
    if name == "DataflowRunner":
        _check_dataflow(out)
    _check_job_server(options.view_as(module.PortableOptions).job_endpoint)
    validator = _import_beam("apache_beam.options.pipeline_options_validator")
    if problems := validator.PipelineOptionsValidator(options, runner).validate():
        raise UsageError(f"`beam_options`: {' '.join(problems)}")
    return options


def _check_dataflow(out: Place) -> None:
    if not out.is_remote:
        raise UsageError(f"DataflowRunner cannot write to {out}: `out` must be gs://bucket/prefix")
    if importlib.util.find_spec("apitools") is None:
        raise UsageError(f"DataflowRunner needs all of Beam's extra gcp: {_INSTALL}")


def _check_job_server(address: str | None) -> None:
    """Ask whether a job server is there: Beam would wait for it, and say nothing."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdecimal():  # none is needed, or Beam starts one
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or error  # a timeout has no number, and so no text of the system
        raise UsageError(f"`beam_options`: no job server at {address}: {reason}") from error


def describe_sharing(options: Any, out: Place) -> str:
    """Say what machines must share, if there is something that they might not.

    Args:
        options: Beam's `PipelineOptions`.
        out: The dataset folder to make.

    Returns:
        One line, empty if all is well.
    """
    if not isinstance(out, LocalPlace) or _runner_of(options) in _SAME_MACHINE:
        return ""
    return (
        f"note: the workers of {_runner_of(options)} must see {out.path.resolve().parent}; if"
        " they run on other machines, share that folder with them or use `out=gs://bucket/prefix`"
    )


def write_shards_on_beam(
    jobs: Iterator[ShardJob],
    settings: EncodingSettings,
    out: Place,
    options: Any,
) -> Iterator[tuple[ShardJob, ShardResult | DataError]]:
    """Write shards through a Beam pipeline.

    Args:
        jobs: What to do; all are drawn before the first is done.
        settings: What every shard has in common.
        out: The dataset folder to make.
        options: Beam's `PipelineOptions`.

    Yields:
        Each job with its result, or with the fault of its task, in the order of the jobs; the
        shard then lies at the job's path.

    Raises:
        DataError: If the pipeline failed; what it finished is used by the next build.
        OSError: If the disk refuses.
    """
    folder = exchange_folder(out)
    exchange = open_exchange(folder)
    worker = ShardWorker(str(folder), settings, share_settings(exchange, settings))
    waiting, undone = _share_jobs(exchange, jobs, worker.digest)
    pipeline = _PipelineThread(worker, options)
    if undone:
        exchange.write(JOB_LIST, jobs_in_list(undone))
        pipeline.start()
    seconds = _POLL_SECONDS[folder.is_remote]
    given_up = threading.Event()

    def collect(item: tuple[str, ShardJob]) -> tuple[ShardJob, ShardResult | DataError]:
        key, job = item
        result = _await_result(exchange, key, pipeline, seconds, given_up)
        if isinstance(result, ShardResult):
            _take_shard(exchange, key, job, result)
        return job, result

    yield from map_ahead(collect, waiting.items(), _AT_A_TIME, given_up)
    exchange.clear()


def _import_beam(name: str) -> Any:
    """Import a module of Beam, without the notices that it greets with."""
    logging.disable(logging.WARNING)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"`runner=beam` needs Apache Beam, which is not installed here: {_INSTALL}"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def _runner_of(options: Any) -> str:
    standard = _import_beam("apache_beam.options.pipeline_options").StandardOptions
    return (options.view_as(standard).runner or "DirectRunner").rpartition(".")[2]


def _share_jobs(
    exchange: Exchange, jobs: Iterator[ShardJob], settings_digest: str
) -> tuple[dict[str, ShardJob], list[str]]:
    """Put jobs into the exchange.

    Returns:
        All of them by key, without their rows; the keys of those that no earlier build has done.
    """
    present = exchange.names()

    def share(job: ShardJob) -> tuple[str, ShardJob]:
        loaded = dataclasses.replace(job, block=job.block.load())
        key, content = pack_job(loaded, settings_digest)
        if not {key + RESULT, key + JOB} & present:
            exchange.write(key + JOB, content)
        rowless = dataclasses.replace(job.block, payload=b"")
        return key, dataclasses.replace(job, block=rowless, is_member=None)

    waiting = dict(map_ahead(share, jobs, _AT_A_TIME))
    return waiting, [key for key in waiting if key + RESULT not in present]


class _PipelineThread(threading.Thread):
    """The pipeline, run beside the process that collects its results.

    A daemon: Ctrl-C ends the waiting at once. What runs elsewhere goes on there.

    Args:
        worker: What every worker does.
        options: Beam's `PipelineOptions`.
    """

    def __init__(self, worker: ShardWorker, options: Any):
        super().__init__(daemon=True)
        self._worker = worker
        self._options = options
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="prep-") as folder:
                self._ship_package(Path(folder))
                _run_pipeline(self._worker, self._options)
        except Exception as error:
            self.failure = error

    def _ship_package(self, folder: Path) -> None:
        """Have other machines install this package: they have Beam and nothing of ours."""
        if _runner_of(self._options) in _SAME_MACHINE:
            return
        setup = self._options.view_as(
            _import_beam("apache_beam.options.pipeline_options").SetupOptions
        )
        setup.extra_packages = [*(setup.extra_packages or ()), str(write_wheel(folder))]
        # All that workers need can be imported; Dataflow would send them this program's globals.
        setup.save_main_session = False


def _run_pipeline(worker: ShardWorker, options: Any) -> None:
    beam = _import_beam("apache_beam")
    pipeline = beam.Pipeline(options=options)
    _ = (
        pipeline
        | "list of jobs" >> beam.Create([JOB_LIST])
        | "jobs" >> beam.FlatMap(worker.list_jobs)
        | "spread over workers" >> beam.Reshuffle()
        | "write shard" >> beam.Map(worker.write)
    )
    result = pipeline.run()
    state = result.wait_until_finish() or result.state
    if state not in (None, "DONE"):
        raise DataError(f"it ended in the state {state}")


def _await_result(
    exchange: Exchange,
    key: str,
    pipeline: _PipelineThread,
    seconds: float,
    given_up: threading.Event,
) -> ShardResult | DataError:
    """Wait for what comes of a job, or for the end of the pipeline."""
    while True:
        is_running = pipeline.is_alive()
        result = read_result(exchange, key)
        if result is not None:
            return result
        if not is_running:
            raise _describe_end(pipeline.failure, key)
        if given_up.wait(seconds):
            raise CancelledError


def _describe_end(failure: Exception | None, key: str) -> Exception:
    if failure is None:
        return DataError(f"the Beam pipeline is done and {key} is not; do all see one folder?")
    if isinstance(failure, UsageError):
        return failure
    lines = [line for line in str(failure).splitlines() if line.strip()]
    # Where gRPC failed there is a page of it, which knows its cause.
    causes = _GRPC_DETAILS.findall(str(failure)) or lines[-1:] or [type(failure).__name__]
    return WorkerLostError(
        f"the Beam pipeline failed: {causes[-1].strip()};"
        " building again goes on with what is finished"
    )


def _take_shard(exchange: Exchange, key: str, job: ShardJob, result: ShardResult) -> None:
    """Put a finished shard where the build wants it."""
    content = exchange.read(key + SHARD)
    if content is None or f"{google_crc32c.value(content):08x}" != result.crc32c:
        raise DataError(f"{key}{SHARD} is missing from the exchange or damaged; build again")
    if result.rejected:
        write_durably(job.rejected_path, exchange.read(key + REJECTED) or b"")
    write_durably(job.path, content)
