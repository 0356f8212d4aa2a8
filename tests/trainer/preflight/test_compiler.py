import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prep import DataError, UsageError
from tests.trainer.preflight.test_program import PROGRAM
from trainer.preflight import compiler
from trainer.preflight.compiler import Memory, compile_step, find_python, judge
from trainer.preflight.topologies import GIB, find_topology

VERSIONS = {"jax": "0.6.1", "jaxlib": "0.6.1", "libtpu": "0.0.14"}
# As the compiler for a v5e said it.
OUT_OF_MEMORY = """XlaRuntimeError: RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out \
of memory in memory space hbm. Used 24.15G of 15.75G hbm. Exceeded hbm capacity by 8.40G.

Total hbm usage >= 24.40G:
    reserved        258.00M 
    program          24.15G 

  Largest program allocations in hbm:

  1. Size: 8.00G
     Operator: op_name="encoder/SelfAttention/StatelessRandom" source_file="/a.py" source_line=1
     Shape: u32[2048,4,512,512]{2,3,1,0:T(8,128)}
     Unpadded size: 8.00G
     XLA label: copy.258 = copy(rng-bit-generator.4)
     Allocation type: HLO temp
     ==========================

  5. Size: 4.00M
     Shape: f32[2048,512]{1,0:T(8,128)}
     Unpadded size: 4.00M
     ==========================
"""  # noqa: W291
ONE_ARRAY = (
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Allocation (size=34359738368) would exceed memory "
    "(size=17179869184) :: #allocation582 [shape = 'f32[8192,4,512,512]{2,3,1,0:T(8,128)}', "
    "space=hbm, size = 0xffffffffffffffff, tag = 'output of convolution_add_fusion@{}'] :: <no>"
)


@pytest.fixture
def compile_with(tmp_path):
    """A function that compiles with a worker that has its answer already."""

    def compile_with(answer, topology="v5e-8", more="", **options):
        worker = tmp_path / "worker.py"
        worker.write_text(
            "import json, sys, pathlib\n"
            f"pathlib.Path({str(tmp_path / 'arguments')!r}).write_text(' '.join(sys.argv[1:]))\n"
            f"pathlib.Path(sys.argv[2]).write_text({PROGRAM!r})\n"
            f"{more}\nprint('a greeting')\nprint(json.dumps({answer!r}))\n"
        )
        python = Path(sys.executable)
        return compile_step("module", find_topology(topology), python, worker=worker, **options)

    return compile_with


def test_what_the_worker_says_is_read(compile_with, tmp_path):
    memory = {"argument": 10, "output": 8, "alias": 7, "temp": 100, "generated_code": 3}
    answer = {"memory": memory, "flops": 5.0, "compiler": VERSIONS, "seconds": 2.5}
    found = compile_with(answer)
    assert found.memory == Memory(**memory)
    assert found.memory.total == 111
    assert (found.flops, found.seconds, found.compiler) == (5.0, 2.5, VERSIONS)
    assert found.step.cycles == 1500 + 262144 * 2
    assert "--topology v5e:2x4 --replicas 8" in (tmp_path / "arguments").read_text()
    compile_with(answer, "v5e-1")
    assert "--bounds 1,1,1" in (tmp_path / "arguments").read_text()
    compile_with(answer, "v4-8")
    assert "--chip-config megacore" in (tmp_path / "arguments").read_text()


def test_a_program_that_does_not_fit_is_told_with_its_largest_buffers(compile_with):
    found = compile_with({"error": OUT_OF_MEMORY, "compiler": VERSIONS, "seconds": 80.0})
    assert found.needed == int(24.15 * GIB)
    assert [(part.name, part.shape, part.count) for part in found.buffers] == [
        ("encoder/SelfAttention/StatelessRandom", "u32[2048,4,512,512]", 8 * GIB),
        ("?", "f32[2048,512]", 4 * 2**20),
    ]
    assert found.memory is None and found.refusal == ""


def test_one_array_that_is_larger_than_the_device_is_told(compile_with):
    found = compile_with({"error": ONE_ARRAY, "compiler": VERSIONS, "seconds": 80.0})
    assert found.needed == 32 * GIB
    assert found.buffers[0].name == "convolution_add_fusion"
    assert found.buffers[0].shape == "f32[8192,4,512,512]"


def test_any_other_refusal_is_in_the_compilers_words(compile_with):
    error = "XlaRuntimeError: UNIMPLEMENTED: Dynamic\n shapes"
    found = compile_with({"error": error, "compiler": VERSIONS, "seconds": 1.0})
    assert found.refusal == "XlaRuntimeError: UNIMPLEMENTED: Dynamic shapes"


def test_it_says_how_long_it_has_been_at_it(compile_with, monkeypatch):
    monkeypatch.setattr(compiler, "_PROGRESS_EVERY", 0.1)
    lines = []
    answer = {"error": ONE_ARRAY, "compiler": VERSIONS, "seconds": 80.0}
    compile_with(answer, more="import time; time.sleep(0.5)", report=lines.append, name="train")
    assert lines and all(line.startswith("compiling train: ") for line in lines)


def test_a_compiler_that_is_killed_is_told_for_its_memory(compile_with):
    with pytest.raises(DataError, match="killed, most likely for its memory; a T5 takes up to 7"):
        compile_with({}, more="import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_a_compiler_that_a_signal_ended_is_told_by_its_name(compile_with):
    with pytest.raises(DataError, match="the compiler was ended by SIGTERM"):
        compile_with({}, more="import os, signal; os.kill(os.getpid(), signal.SIGTERM)")


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_no_compiler_is_left_behind(how, tmp_path):
    """The real worker's own words, around a compilation that takes a minute."""
    worker = tmp_path / "worker.py"
    words = compiler.WORKER.read_text().replace(
        "    from jax.experimental import topologies", _SLEEP.format(str(tmp_path))
    )
    worker.write_text(words)
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from trainer.preflight.compiler import compile_step\n"
        "from trainer.preflight.topologies import find_topology\n"
        f"worker = Path({str(worker)!r})\n"
        "compile_step('', find_topology('v5e-1'), Path(sys.executable), worker=worker)\n"
    )
    (tmp_path / "temporary").mkdir()
    asking = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    written = tmp_path / "pid"
    wait_for(lambda: written.exists() and written.read_text())
    asking.send_signal(getattr(signal, how))
    asking.wait(300)
    wait_for(lambda: not is_running(int(written.read_text())))
    if how != "SIGKILL":
        assert not list((tmp_path / "temporary").iterdir())


_SLEEP = """    import time
    Path({0!r} + "/pid").write_text(str(os.getpid()))
    time.sleep(600)
"""


def wait_for(condition):
    ends = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_cannot_fit_is_not_compiled():
    topology = find_topology("v5e-1")
    assert compiler.refuse_hopeless(int(31 * GIB), topology) is None
    found = compiler.refuse_hopeless(int(32 * GIB), topology)
    assert (found.needed, found.memory, found.refusal) == (32 * GIB, None, "")


def test_a_worker_that_fails_is_told_with_its_last_line(compile_with):
    with pytest.raises(DataError, match=r"ended with 1: ModuleNotFoundError: .*'jaxx'"):
        compile_with({}, more="import jaxx")


def test_the_compilers_python_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv(compiler.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compiler, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(UsageError, match="make tpu-compiler"):
        find_python()
    python = tmp_path / compiler.ENVIRONMENT / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_python() == python
    monkeypatch.setenv(compiler.VARIABLE, sys.executable)
    assert find_python() == Path(sys.executable)
    with pytest.raises(UsageError, match="--compiler-python 'nowhere' is no file"):
        find_python("nowhere")


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.5, "fits"), (0.79, "fits"), (0.81, "borderline"), (1.01, "does not")]
)
def test_what_nearly_fills_a_device_is_borderline(share, verdict):
    topology = find_topology("v5e-1")
    assert judge(int(share * 15.75 * GIB), topology).startswith(verdict)


def test_the_worker_imports_nothing_of_the_project():
    text = compiler.WORKER.read_text()
    assert not any(f"{name}" in text for name in ("from trainer", "from prep", "adapters_tf"))


@pytest.mark.slow
def test_a_real_compiler_compiles(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # those of the tests are for this machine
    try:
        python = find_python(os.environ.get(compiler.VARIABLE, ""))
    except UsageError as missing:
        pytest.skip(f"no TPU compiler here: {missing}")
    step = """\
func.func @main(%a: tensor<256x512xbf16>, %b: tensor<512x128xbf16>) -> tensor<256x128xbf16> {
  %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] \
: (tensor<256x512xbf16>, tensor<512x128xbf16>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}
"""
    found = compile_step(step, find_topology("v5e-1"), python)
    assert found.refusal == ""
    assert found.memory.argument == 2 * (256 * 512 + 512 * 128)
    assert found.flops == pytest.approx(2 * 256 * 512 * 128, rel=0.01)
    assert found.step.cycles > 0
    assert found.step.hbm_bytes == found.memory.argument + found.memory.output
    assert json.dumps(dict(found.compiler))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v2-8", "v3-8", "v4-8", "v5e-1", "v5p-8", "v6e-8"])
def test_a_real_compiler_has_a_device_for_each_replica(name):
    """Of v4, libtpu's own devices are cores: half of them would have been left out."""
    try:
        python = find_python()
    except UsageError as missing:
        pytest.skip(f"no TPU compiler here: {missing}")
    topology = find_topology(name)
    lines = (
        f"import os, sys; sys.path.insert(0, {str(compiler.WORKER.parent)!r})",
        "import compile_worker as worker; os.environ.update(worker.ENVIRONMENT)",
        f"options = {list(topology.host_bounds)!r}, {topology.device.chip_config!r}",
        f"print(len(worker.describe_devices({topology.name!r}, *options)))",
    )
    done = subprocess.run([python, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [str(topology.replicas)], done.stderr[-500:]
