"""What is answered without TensorFlow, which takes seconds to load: in every program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prep.version import VERSION

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "prep --help": 0,
    "prep build --help": 0,
    "prep tasks": 0,
    "prep bild": 2,
    "prep build --vocabulery x": 2,
    "prep build --tasks rtee --vocabulary x --out y": 2,
    "trainer --help": 0,
    "trainer --help-all": 0,
    "trainer --trainng.steps 3": 2,
    "trainer add-task --help": 0,
    "trainer quickstart --help": 0,
    "trainer.preflight --help": 0,
    "trainer.demo --help": 0,
    "trainer.completion --help": 0,
    "trainer.completion fish": 2,
    "trainer.doctor --help": 0,
    "trainer.doctor --kind tpus": 2,
    "eval --help": 0,
    "eval --run x --bogus": 2,
    "eval --run /no/such/run": 1,
    "eval compare --help": 0,
    "eval submit --help": 0,
    "eval report --help": 0,
    "eval report /no/such/run --out x.html": 2,
    "eval export-serving --help": 0,
    "eval export-serving --run x --out gs://bucket/y": 2,
    "eval serve --help": 0,
    "eval serve --model /no/such/folder": 2,
    "eval.predict --help": 0,
    "eval.predict --run x --task y --file no.csv": 2,
    "adapters_tf --help": 0,
    "adapters_tf export --help": 0,
    "adapters_tf export --format pfet": 2,
    "adapters_tf mergee": 2,
    "adapters_tf list /no/such/run": 1,
}
PROGRAMS = (
    "prep",
    "prep build",
    "adapters_tf",
    "eval",
    "eval report",
    "eval.predict",
    "trainer",
    "trainer add-task",
    "trainer.completion",
    "trainer.demo",
    "trainer.doctor",
    "trainer.preflight",
)


def run_without_tensorflow(command):
    """Run a program that must not load TensorFlow; gives what came of it, and its errors."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *command.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    lines = done.stderr.splitlines()
    said = [line for line in lines if not line.startswith("import time:")]
    imported = {line.split("|")[-1].strip() for line in lines if line not in said}
    assert "argparse" in imported and not imported & {"tensorflow", "tf_keras", "transformers"}
    return done, said


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_its_version(program):
    done, said = run_without_tensorflow(f"{program} --version")
    assert (done.returncode, done.stdout, said) == (0, f"t5-task-adapters {VERSION}\n", [])


@pytest.mark.parametrize(("command", "code"), COMMANDS.items(), ids=COMMANDS)
def test_tensorflow_is_not_loaded(command, code):
    done, said = run_without_tensorflow(command)
    assert done.returncode == code, said
    if code:
        [line] = said
        assert line.startswith("error: ") and "usage:" not in line
    else:
        assert not said and all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout


def test_completion_is_written_without_it():
    done, said = run_without_tensorflow("trainer.completion zsh")
    assert done.returncode == 0 and not said and "quickstart" in done.stdout


def test_a_run_is_listed_without_it(tmp_path):
    program = (
        "import sys\n"
        "from adapters_tf.runs.listing import describe_run\n"
        "from adapters_tf.errors import run_command\n"
        "run_command(lambda argv: print(*describe_run(argv[0])), sys.argv[1:])\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "False\n" and "is no run folder" in done.stderr
