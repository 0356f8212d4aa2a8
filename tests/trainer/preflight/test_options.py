import subprocess
import sys

import pytest

from prep import UsageError
from trainer.preflight.__main__ import main
from trainer.preflight.compiler import VARIABLE
from trainer.preflight.options import read_preflight_options


@pytest.fixture
def read(monkeypatch):
    """A function that reads a command line where there is a compiler."""
    monkeypatch.setenv(VARIABLE, sys.executable)
    return lambda line: read_preflight_options(line.split())


def test_a_runs_settings_and_the_preflights_own_are_read(read, tmp_path):
    found = read(
        "--dataset data --topology v5e-8 --batch-size 64 --adapters.method lora --eval "
        f"--json {tmp_path}/out.json"
    )
    assert (found.config.data.batch_size, found.config.adapters.method) == (64, "lora")
    assert (found.topology.name, found.is_eval, found.is_search) == ("v5e:2x4", True, False)
    assert found.config.run  # nothing is written there
    assert found.methods == ()


def test_methods_are_names_with_commas(read):
    assert read("--topology v4-8 --compare bottleneck,lora").methods == ("bottleneck", "lora")
    assert read("--topology v4-8 --compare lora,,lora").methods == ("lora",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--dataset data", "--topology is missing: name one of v2-8"),
        ("--topology v5e-9", "of one host there are v5e-1, v5e-4"),
        ("--topolgy v5e-8", "did you mean --topology?"),
        ("--topology v5e-8 --data.batchsize 3", "did you mean --data.batch_size?"),
        ("--topology v5e-8 --search --compare lora", "search for each method"),
        ("--topology v5e-8 --search --eval", "leave out --eval"),
        ("--topology v5e-8 --beams 4", "--beams is for evaluation's steps; add --eval"),
        ("--topology v5e-8 --eval --beams 0", "--beams is 0; expected 1 or more"),
        ("--topology v5e-8 --json /nowhere/at/all.json", "there is no folder /nowhere/at"),
        ("--topology v5e-8 --compiler-python /nowhere", "'/nowhere' is no file"),
        ("--topology v5e-8 --batch-size many", "--batch-size: expected a whole number"),
        ("--topology v5e-8 --batch-size 0", "--batch-size must be above 0, got 0"),
        ("--topology v5e-8 --batch-size 12", "a batch of 12 cannot be divided among 8"),
        ("--topology v5e-8 --compare=,", "--compare names no method"),
        ("--topology v5e-8 --json /", "--json / is a folder"),
        ("", "--topology is missing"),
    ],
)
def test_mistakes_are_told_in_a_line(read, line, said):
    with pytest.raises(UsageError) as caught:
        read(line)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["--help"], ["--topology", "v5e-9"]])
def test_help_and_mistakes_take_no_tensorflow(words):
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['preflight', *{words!r}]\n"
        "try: runpy.run_module('trainer.preflight', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


LACKING = """echo '{"jax": "0.6.1", "jaxlib": "", "libtpu": ""}'"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (f"#!/bin/sh\n{LACKING}", "lacks jaxlib, libtpu"),
        ("#!/bin/sh\necho no such option >&2; exit 2", "no Python with a TPU compiler: no such"),
        ("#!/nowhere/sh\n", "cannot be run: No such file"),
    ],
)
def test_a_python_without_the_compiler_is_refused_before_tensorflow_loads(program, said, tmp_path):
    python = tmp_path / "python"
    python.write_text(program)
    python.chmod(0o755)
    words = ["--topology", "v5e-8", "--dataset", "data", "--compiler-python", str(python)]
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['preflight', *{words!r}]\n"
        "try: runpy.run_module('trainer.preflight', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_another_libtpu_than_a_tpus_is_noted(tmp_path, capsys):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"jax": "1", "jaxlib": "1", "libtpu": "0.0.52"}\'')
    python.chmod(0o755)
    words = ["--topology", "v5e-8", "--compiler-python", str(python)]
    with pytest.raises(UsageError, match="--dataset is missing"):
        main(words)
    assert (
        "note: the compiler is libtpu 0.0.52, and that of a TPU VM 0.0.14"
        in capsys.readouterr().out
    )
