"""The same records in the same shards when Apache Beam runs the jobs."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.build.writing import task_jobs
from prep.errors import DataError, UsageError, run_command
from prep.runners.beam import runner as beam_runner
from prep.runners.beam.exchange import open_exchange
from prep.runners.beam.package import write_wheel
from prep.runners.beam.worker import ShardWorker, pack_job, read_result, share_settings
from prep.shards.jobs import EncodingSettings, ShardResult
from prep.shards.writer import ShardWriter
from prep.splits.finding import plan_task
from prep.storage import place_of
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


@pytest.fixture
def beam():
    """Apache Beam, imported the way builds do."""
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


def write_module(path, body):
    path.write_text(
        "import dataclasses\nfrom prep.tasks import get_task\n\n"
        f"def change(row):\n    {body}\n\n"
        "TASKS = [dataclasses.replace(get_task('rte'), name='mine', row_functions=(change,))]\n"
    )
    return load_tasks(path)


@pytest.fixture
def options(rte_options, rte_data, tmp_path):
    """Options for two tasks, one of a Python module; a row of RTE is to be rejected."""
    path = rte_data / "rte" / "train.tsv"
    path.write_text(path.read_text().replace("\tentailment", "\tperhaps", 1))
    module = tmp_path / "mine.py"
    body = "return dict(row, sentence1=row['sentence1'].upper())"
    tasks = (*write_module(module, body), get_task("rte"))

    def make(**changes):
        return rte_options(**({"tasks": tasks, "modules": (module,)} | changes))

    return make


@pytest.mark.parametrize("pack", [False, True])
def test_the_folder_is_the_same_byte_for_byte(beam, options, tmp_path, pack, contents):
    built = build_dataset(options(runner="beam", pack=pack))
    assert (built.packing is not None) == pack
    build_dataset(options(out=tmp_path / "local", pack=pack))
    assert "rte/rejected.jsonl" in contents(tmp_path / "local")
    assert contents(tmp_path / "dataset") == contents(tmp_path / "local")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_several_processes(beam, options, tmp_path, contents):
    flags = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    build_dataset(options(runner="beam", beam_options=flags))
    build_dataset(options(out=tmp_path / "local"))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "local")


@pytest.fixture(scope="module")
def job_server(tmp_path_factory):
    """The address of a job server, as Flink's and Spark's runners talk to, and of its workers."""
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
    folder = tmp_path_factory.mktemp("job_server")
    port_file = folder / "port"
    worker_port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    commands = (
        ("runners.worker.worker_pool_main", "--service_port", str(worker_port)),
        (
            "runners.portability.local_job_service_main",
            *("--port", "0", "--port_file", str(port_file), "--staging_dir", str(folder)),
        ),
    )
    with (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", f"apache_beam.{module}", *arguments],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the pool starts workers of its own
            )
            for module, *arguments in commands
        ]
    try:
        wait_until(lambda: port_file.exists() and port_file.read_text().strip())
        wait_until(lambda: can_connect(worker_port))
        yield f"localhost:{port_file.read_text().strip()}", f"localhost:{worker_port}"
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port():
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def can_connect(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("localhost", port), 1).close()
        return True
    return False


def wait_until(is_so, seconds=300):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def portable_flags(endpoint, workers):
    return (
        "--runner=PortableRunner",
        f"--job_endpoint={endpoint}",
        "--environment_type=EXTERNAL",
        f"--environment_config={workers}",
    )


def test_a_job_server_and_workers_of_its_own(job_server, options, tmp_path, contents):
    flags = portable_flags(*job_server)
    build_dataset(options(runner="beam", beam_options=flags))
    build_dataset(options(out=tmp_path / "local"))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "local")


def test_a_job_server_without_workers(job_server, options):
    flags = portable_flags(job_server[0], f"localhost:{free_port()}")
    with pytest.raises(DataError, match=r"^the Beam pipeline failed: .*refused; building again"):
        build_dataset(options(runner="beam", beam_options=flags))


def test_no_job_server(beam, options):
    address = f"localhost:{free_port()}"
    flags = ("--runner=PortableRunner", f"--job_endpoint={address}")
    with pytest.raises(UsageError, match=f"no job server at {address}: Connection refused"):
        build_dataset(options(runner="beam", beam_options=flags))


def test_a_bucket(beam, options, bucket, emulator, tmp_path, monkeypatch, contents):
    monkeypatch.setitem(beam_runner._POLL_SECONDS, True, 0.05)
    build_dataset(options(runner="beam", out=f"{bucket}/data"))
    build_dataset(options(out=tmp_path / "local"))
    objects = emulator.store.buckets[bucket[5:]]
    expected = {f"data/{name}": data for name, data in contents(tmp_path / "local").items()}
    assert {name: found.data for name, found in objects.items()} == expected


def test_a_failing_task_fails_alone(beam, options, tmp_path, contents):
    module = tmp_path / "bad.py"
    tasks = (*write_module(module, "raise ZeroDivisionError('no')"), get_task("rte"))
    changes = {"tasks": tasks, "modules": (module,)}
    manifest = build_dataset(options(runner="beam", **changes))
    assert list(manifest.tasks) == ["rte"]
    assert manifest.failed == {
        "mine": "split 'train' is empty: every row was rejected (30 × unusable row (row 2 of"
        " train.tsv, ZeroDivisionError no))"
    }
    build_dataset(options(out=tmp_path / "local", **changes))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "local")


def test_what_a_pipeline_finished_before_it_failed_is_used(
    beam, options, tmp_path, monkeypatch, contents
):
    written = []
    write = ShardWriter.write

    def stop(self, job):
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        written.append(job.index)
        return write(self, job)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "write", stop)
        with pytest.raises(DataError, match=r"^the Beam pipeline failed: .*No space left.*goes on"):
            build_dataset(options(runner="beam"))
    assert not (tmp_path / "dataset").exists()
    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "write", lambda *args: (written.append(1), write(*args))[1])
        manifest = build_dataset(options(runner="beam"))
    splits = [split for task in manifest.tasks.values() for split in task.splits.values()]
    assert len(written) == sum(len(split.shards) for split in splits) > 5
    build_dataset(options(out=tmp_path / "local"))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "local")


def test_an_interruption_waits_for_no_pipeline(beam, options, monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(beam_runner, "_run_pipeline", lambda worker, options: never.wait())
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 2)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            build_dataset(options(runner="beam"))
        assert time.monotonic() - started < 20  # one poll of every thread that waits
        assert not [one for one in threading.enumerate() if "ThreadPool" in one.name]
    finally:
        signal.signal(signal.SIGALRM, before)
        never.set()


def test_another_machine_needs_the_wheel_and_the_exchange_only(
    rte_data, small_vocabulary, tmp_path
):
    """The package is installed elsewhere, and the files of the build are out of sight."""
    module = tmp_path / "mine.py"
    (task,) = write_module(module, "return dict(row, sentence1='changed')")
    vocabulary = tmp_path / "vocabulary.model"
    vocabulary.write_bytes(small_vocabulary.read_bytes())
    settings = EncodingSettings(str(vocabulary), 512, 512, (str(module),))
    job = next(task_jobs(tmp_path, plan_task(task, rte_data, 8)))
    expected = ShardWriter(settings).write(job)
    exchange = open_exchange(place_of(tmp_path / "exchange"))
    worker = ShardWorker(str(tmp_path / "exchange"), settings, share_settings(exchange, settings))
    key, content = pack_job(job, worker.digest)
    exchange.write(f"{key}.job", content)
    module.unlink()
    vocabulary.unlink()
    wheel = write_wheel(tmp_path)
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target")
    subprocess.run([sys.executable, *install, tmp_path / "site", wheel], check=True)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from prep.runners.beam.worker import ShardWorker\n"
        "from prep.shards.jobs import EncodingSettings\n"
        f"assert sys.modules['prep'].__file__.startswith({str(tmp_path)!r})\n"
        f"print({worker!r}.write({key!r}))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True)
    result = read_result(exchange, key)
    assert isinstance(result, ShardResult)
    assert exchange.read(f"{key}.tfrecord") == job.path.read_bytes()
    assert dataclasses.replace(result, fingerprints=()) == dataclasses.replace(
        expected, fingerprints=()
    )


def test_without_beam_the_message_says_how_to_install(
    monkeypatch, rte_data, small_vocabulary, tmp_path, capsys
):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    arguments = ["build", "--tasks", "rte", "--data-dir", str(rte_data), "--runner", "beam"]
    arguments += ["--vocabulary", str(small_vocabulary), "--out", str(tmp_path / "dataset")]
    arguments += ["--beam-options", "--runner=DirectRunner --no_such_option=1"]
    assert run_command(main, arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --runner beam needs Apache Beam, which is not installed here")
    assert "pip install 'apache-beam[gcp]==" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "dataset").exists()


def test_options_of_beam_are_one_text(capsys, rte_data, small_vocabulary, tmp_path):
    arguments = ["build", "--tasks", "rte", "--data-dir", str(rte_data), "--beam-options", "--a 'b"]
    arguments += ["--vocabulary", str(small_vocabulary), "--out", str(tmp_path / "dataset")]
    assert run_command(main, arguments) == 2
    assert capsys.readouterr().err == 'error: --beam-options "--a \'b": No closing quotation\n'
    arguments[6] = "--runner=DirectRunner"
    assert run_command(main, arguments) == 2
    assert capsys.readouterr().err == "error: --beam-options go with --runner beam\n"


def test_the_extra_has_the_version_of_the_message():
    for file in ("pyproject.toml", "requirements-dev.txt", "constraints.txt"):
        assert f"=={beam_runner.BEAM_VERSION}" in (ROOT / file).read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runner": "bean"}, "there is no runner 'bean'; did you mean 'beam'?"),
        ({"beam_options": ("--runner=x",)}, "`beam_options` go with `runner=beam`"),
    ],
)
def test_impossible_runners(rte_options, changes, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        rte_options(**changes)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--runner=DataflowRunner",), "`out` must be gs://bucket/prefix"),
        (("--direct_num_workers=x",), "`beam_options`: .*invalid int value: 'x'"),
        (("--runner=Drect",), "`beam_options`: Unexpected pipeline runner: Drect"),
    ],
)
def test_impossible_beam_options(beam, rte_options, flags, message):
    with pytest.raises(UsageError, match=message):
        build_dataset(rte_options(runner="beam", beam_options=flags))


def test_dataflow_without_a_project_is_refused_at_once(beam, rte_options, bucket):
    pytest.importorskip("apitools", reason="apache-beam is installed without its extra gcp")
    options = rte_options(
        runner="beam", beam_options=("--runner=DataflowRunner",), out=f"{bucket}/data"
    )
    with pytest.raises(UsageError, match=r"`beam_options`: .*Missing required option: project"):
        build_dataset(options)


def test_dataflow_needs_the_whole_extra(beam, rte_options, bucket, monkeypatch):
    monkeypatch.setattr(beam_runner.importlib.util, "find_spec", lambda name: None)
    options = rte_options(
        runner="beam", beam_options=("--runner=DataflowRunner",), out=f"{bucket}/data"
    )
    with pytest.raises(UsageError, match=r"extra gcp: pip install 'apache-beam\[gcp\]=="):
        build_dataset(options)


def test_other_machines_must_share_the_folder(beam, tmp_path):
    flags = ("--runner=FlinkRunner", "--flink_master=host:8081")
    options = beam_runner.parse_beam_options(flags, place_of(tmp_path / "dataset"))
    assert str(tmp_path) in beam_runner.describe_sharing(options, place_of(tmp_path / "dataset"))
    assert beam_runner.describe_sharing(options, place_of("gs://bucket/data")) == ""
    local = beam_runner.parse_beam_options((), place_of(tmp_path / "dataset"))
    assert beam_runner.describe_sharing(local, place_of(tmp_path / "dataset")) == ""


def test_the_package_is_sent_to_other_machines_only(beam, tmp_path):
    from apache_beam.options.pipeline_options import SetupOptions

    for flags, count in ((("--runner=FlinkRunner", "--extra_package=own.whl"), 2), ((), 0)):
        options = beam_runner.parse_beam_options(flags, place_of(tmp_path / "dataset"))
        beam_runner._PipelineThread(None, options)._ship_package(tmp_path)
        packages = options.view_as(SetupOptions).extra_packages or []
        assert len(packages) == count
        assert not options.view_as(SetupOptions).save_main_session
    assert [path.name.startswith("t5_task_adapters_prep-") for path in tmp_path.glob("*.whl")] == [
        True
    ]


def test_the_list_of_jobs_is_small_and_whole(tmp_path):
    exchange = open_exchange(place_of(tmp_path / "exchange"))
    exchange.write("jobs.json", json.dumps(["a/b-1", "a/b-2"]).encode())
    worker = ShardWorker(str(tmp_path / "exchange"), EncodingSettings("", 9, 9), "")
    assert worker.list_jobs("jobs.json") == ["a/b-1", "a/b-2"]
    with pytest.raises(DataError, match=r"lacks other\.json; do all workers see its folder"):
        worker.list_jobs("other.json")
