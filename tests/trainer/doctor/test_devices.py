"""A TensorFlow that does not load, sees no TPU, hangs, or ends the process."""

import sys
import time

import pytest

from trainer.doctor import devices
from trainer.doctor.devices import check_devices
from trainer.doctor.subprocesses import Outcome, run_stages

NO_KERNEL = (
    "No OpKernel was registered to support Op 'ConfigureDistributedTPU' used by {{node "
    "ConfigureDistributedTPU}} with these attrs: [compilation_failure_closes_chips=false]\n"
    "Registered devices: [CPU]\nRegistered kernels:\n  <no registered kernels>\n"
)
NO_CHIP = (
    "Graph execution error:\n\nDetected at node disconnect_tpu_host/_1 defined at (most recent "
    "call last):\n<stack traces unavailable>\nRET_CHECK failure (learning/45eac/google/xla/"
    "tpu_node_interfaces.cc:432) *platform\n"
)
NOT_LOADED = (
    "TPUs not found in the cluster. Failed in initialization: No matching devices found for "
    "'/device:TPU_SYSTEM:0' [Op:__inference__tpu_init_fn_4]"
)
LOOKED_UP = "<urlopen error [Errno -2] Name or service not known>"
TAKEN = "The TPU is already in use by process with pid 17. Not attempting to load libtpu.so"
LOADED = {"version": "2.20.0", "is_announced": False}
CPU = {"strategy": "_DefaultDistributionStrategy", "replicas": 1, "hosts": 1, "stage": "done"}


def ended(code=1, is_late=False, errors="", **said):
    """A probe that told this, and ended so."""
    return lambda *_: Outcome(said, is_late, code, errors)


@pytest.fixture(autouse=True)
def cpu_wheel(monkeypatch):
    monkeypatch.setattr(devices, "uses_tpu_wheel", lambda: False)


def check(probe, kind="auto", **environment):
    return check_devices(kind, environment, 20.0, probe)


def test_a_cpu_is_said_in_words():
    loaded, strategy, tpu = check(ended(0, **LOADED, **CPU))
    assert loaded.what == "TensorFlow 2.20.0 loads"
    assert strategy.what == "no strategy: one replica, on the CPU"
    assert tpu.status == "ok" and tpu.what.startswith("none: ")


def test_a_tpu_is_said_in_words():
    told = {"strategy": "TPUStrategyV2", "replicas": 8, "hosts": 1, "stage": "done"}
    _, strategy = check(ended(0, version="2.20.0", is_announced=True, **told))
    assert strategy.what == "TPUStrategy, one replica on each TPU core: 8 replicas"


def test_several_hosts_are_a_fault():
    told = {"strategy": "TPUStrategyV2", "replicas": 32, "hosts": 4, "stage": "done"}
    _, strategy = check(ended(0, version="2.20.0", is_announced=True, **told))
    assert strategy.status == "fault" and "on 4 hosts" in strategy.what


@pytest.mark.parametrize(
    ("cause", "what", "mend"),
    [
        (NO_KERNEL, "is built without TPUs", "make tpu-setup"),
        (NO_CHIP, "no TPU chip on this machine", "run this on a TPU VM"),
        (NOT_LOADED, "no TPU chip on this machine", "run this on a TPU VM"),
        (LOOKED_UP, "looked up with Google Cloud", "export TPU_NAME=local"),
        (TAKEN, "another process holds the TPU", "lsof"),
        ("something new\nand more", "something new", "--kind=tpu"),
    ],
)
def test_why_there_is_no_tpu_is_in_plain_words(cause, what, mend):
    error = f"no TPU answers at 'local': {cause.splitlines()[0]}"
    *_, finding = check(ended(stage="strategy", error=error, cause=cause, **LOADED), kind="tpu")
    assert (finding.status, finding.about) == ("fault", "TPU")
    assert what in finding.what and mend in finding.mend
    for jargon in ("OpKernel", "ConfigureDistributedTPU", "RET_CHECK"):
        assert jargon not in finding.what


def test_a_hang_on_metadata(monkeypatch):
    monkeypatch.setattr(devices, "uses_tpu_wheel", lambda: True)
    [finding] = check(ended(-9, is_late=True, stage="tensorflow"))
    assert finding.status == "fault" and "metadata server" in finding.what
    assert finding.mend == "export TPU_SKIP_MDS_QUERY=1"


@pytest.mark.parametrize(
    ("stage", "what"),
    [("tensorflow", "TensorFlow was loaded"), ("sum", "added up"), ("strategy", "TPU at 'local'")],
)
def test_other_hangs_say_where(stage, what):
    [finding] = check(ended(-9, is_late=True, stage=stage))
    assert finding.status == "fault" and "within 20 s" in finding.what and what in finding.what


def test_a_tpu_on_another_machine():
    finding, *_ = check(ended(0, **LOADED, **CPU), TPU_NAME="my-tpu")
    assert (finding.status, finding.about) == ("fault", "TPU_NAME")
    assert finding.mend.endswith("tpu-vm ssh my-tpu, and there: export TPU_NAME=local")


def test_libtpu_that_ends_the_process(monkeypatch):
    monkeypatch.setattr(devices, "uses_tpu_wheel", lambda: True)
    [finding] = check(ended(-6, stage="tensorflow"))
    assert "SIGABRT" in finding.what and "libtpu==0.0.14" in finding.mend


def test_a_process_that_was_killed_for_its_memory():
    [finding] = check(ended(-9, stage="sum"))
    assert "SIGKILL: more memory" in finding.what and "ps aux" in finding.mend


@pytest.mark.parametrize(
    ("stage", "mend"),
    [
        ("tensorflow", "pip install --no-deps tensorflow==2.20.0"),
        ("transformers", "export FORCE_TF_AVAILABLE=1"),
        ("strategy", "--distribution.kind=auto"),
        ("sum", "--kind=cpu"),
    ],
)
def test_an_error_is_told_by_its_first_line_with_a_mend(stage, mend):
    [finding] = check(ended(stage=stage, error="\ncannot import name\nand more"))
    assert finding.status == "fault" and mend in finding.mend
    assert finding.what.endswith("cannot import name")


def test_a_process_that_hangs_is_ended_with_its_children(tmp_path):
    program = (
        "import json, subprocess, sys, time\n"
        "print(json.dumps({'stage': 'tensorflow'}), flush=True)\n"
        "print('a notice', flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    )
    began = time.monotonic()
    outcome = run_stages("devices", ["auto"], 1.0, (sys.executable, "-c", program))
    assert time.monotonic() - began < 20
    assert outcome.is_late and outcome.said == {"stage": "tensorflow"}


def test_a_process_that_aborts_is_said_so():
    program = "import os; os.abort()"
    outcome = run_stages("devices", ["auto"], 20.0, (sys.executable, "-c", program))
    assert outcome.last_line() == "the process was ended by SIGABRT"


@pytest.mark.slow
def test_this_machine_is_probed_for_good(monkeypatch):
    for name in ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    findings = check_devices("cpu", {}, 120.0)
    assert [one.status for one in findings] == ["ok", "ok"], findings
    *_, finding = check_devices("tpu", {}, 120.0)
    assert (finding.status, finding.mend) == ("fault", "make tpu-setup")


def test_a_protobuf_that_tensorflow_cannot_read_is_what_is_mended():
    error = "cannot import name 'runtime_version' from 'google.protobuf' (/a/__init__.py)"
    [finding] = check(ended(stage="tensorflow", error=error))
    assert "pip install --no-deps protobuf==6.32.0" in finding.mend
