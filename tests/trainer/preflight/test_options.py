import subprocess
import sys

import pytest

from prep import UsageError
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--dataset data", "--topology is missing: name one of v2-8"),
        ("--topology v5e-9", "did you mean 'v5e-"),
        ("--topolgy v5e-8", "did you mean --topology?"),
        ("--topology v5e-8 --data.batchsize 3", "did you mean --data.batch_size?"),
        ("--topology v5e-8 --batch-size many", "batch_size"),
        ("--topology v5e-8 --search --compare lora", "search for each method"),
        ("--topology v5e-8 --search --eval", "leave out --eval"),
        ("--topology v5e-8 --beams 4", "--beams is for evaluation's steps; add --eval"),
        ("--topology v5e-8 --eval --beams 0", "--beams is 0; expected 1 or more"),
        ("--topology v5e-8 --json /nowhere/at/all.json", "there is no folder /nowhere/at"),
        ("--topology v5e-8 --compiler-python /nowhere", "'/nowhere' is no file"),
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
