"""Rules that two packages hold copies of, since neither may import the other, are the same."""

import os
import signal
import subprocess
import sys

import pytest

import adapters_tf.commands.arguments
import adapters_tf.errors
import adapters_tf.version
import prep.commands.parser
import prep.errors
import prep.version
from adapters_tf.files import dataset_folder
from prep.dataset import manifest

NAMES = ("rte", "cola", "stsb", "RTE_large", "mnli", "")
VALID = ("RTE", "cola", "STSB", "mnli_mismatched", "mnli")


def test_the_version():
    assert adapters_tf.version.SAID == prep.version.SAID


@pytest.mark.parametrize("name", [*NAMES, "RTEE", "Cola", "nothing at all"])
def test_the_nearest_name(name):
    theirs, ours = prep.errors.nearest(name, VALID), adapters_tf.errors.suggest(name, VALID)
    if theirs.startswith("did you mean"):
        assert ours == theirs
    else:  # the two list what there is in an order of their own
        assert sorted(ours.removeprefix("valid: ").split(", ")) == sorted(
            theirs.removeprefix("valid names: ").split(", ")
        )


def test_many_names_are_not_all_listed():
    many = [f"task_{number:02}" for number in range(40)]
    theirs, ours = prep.errors.nearest("zzz9", many), adapters_tf.errors.suggest("zzz9", many)
    assert theirs == ours and theirs.startswith("the nearest of 40 names: ")
    assert theirs.count("task_") == 4 and "task_09" in theirs


def test_nothing_to_choose_from():
    assert prep.errors.nearest("x", ()) == adapters_tf.errors.suggest("x", ()) == "there are none"


ENDINGS = {
    "done": ("return 0", 0),
    "nothing": ("return None", 0),
    "value": ("raise ValueError('a\\nb')", 1),
    "missing": ("open('no/such/file')", 1),
    "memory": ("raise MemoryError", 1),
    "interrupted": ("raise KeyboardInterrupt", 3),
    "full": ("import errno\n    raise OSError(errno.ENOSPC, 'full', 'out.txt')", 1),
}


@pytest.mark.parametrize(("body", "code"), ENDINGS.values(), ids=ENDINGS)
def test_what_ends_a_command(body, code):
    scope = {}
    exec(f"def main(argv):\n    {body}", scope)
    ended = [errors.run_command(scope["main"], []) for errors in (prep.errors, adapters_tf.errors)]
    assert ended == [code, code]


def test_one_line_for_an_error(capsys):
    for errors in (prep.errors, adapters_tf.errors):

        def main(argv):
            raise ValueError("two\n  lines")

        errors.run_command(main, [])
        assert capsys.readouterr().err == "error: two lines\n"


@pytest.mark.parametrize("package", ("prep", "adapters_tf"))
def test_a_reader_that_leaves_ends_a_command_quietly(package):
    program = (
        f"import sys\nfrom {package}.errors import run_command\n"
        "def main(argv):\n    for number in range(100000):\n        print(number)\n"
        "sys.exit(run_command(main))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (141, b"")
    process.stderr.close()


@pytest.mark.parametrize("package", ("prep", "adapters_tf"))
def test_sigterm_ends_a_command_in_order(package):
    program = (
        f"import sys, time\nfrom {package}.errors import run_command\n"
        "def main(argv):\n    print('ready', flush=True)\n    time.sleep(600)\n"
        "sys.exit(run_command(main))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.terminate()
    said = process.communicate(timeout=300)[1]
    assert (process.returncode, said) == (
        3,
        "error: stopped by a signal; the same command goes on\n",
    )


COMMAND_LINES = {
    "": "the following arguments are required: --out, COMMAND",
    "--ot=x": "unknown option --ot; did you mean '--out'?",
    "--out x bild": "argument COMMAND: there is no 'bild'; did you mean 'build'?",
    "--out x build --hwo fast": "build: unknown option --hwo; did you mean '--how'?",
    "--out x build --how fsat": "build: argument --how: there is no 'fsat'; did you mean 'fast'?",
    "--out x build --how fast --many two": "argument --many: invalid int value: 'two'",
    "--out x build --how fast more": "unrecognized arguments: more",
}


@pytest.mark.parametrize(("words", "message"), COMMAND_LINES.items(), ids=COMMAND_LINES)
def test_mistakes_in_a_command_line_are_one_line(words, message):
    for module in (prep.commands.parser, adapters_tf.commands.arguments):
        parser = module.OneLineParser(prog="program")
        parser.add_argument("--out", required=True)
        build = parser.add_subparsers(required=True, metavar="COMMAND").add_parser("build")
        build.add_argument("--how", choices=("fast", "slow"), required=True)
        build.add_argument("--many", type=int)
        with pytest.raises(ValueError, match=r"^program") as raised:
            parser.parse_args(words.split())
        assert str(raised.value).endswith(message) and raised.value.exit_code == 2


@pytest.mark.parametrize("package", ("prep", "adapters_tf"))
@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 1, "error: disk full: no space left on device while writing the output\n"),
    ],
)
def test_an_output_that_takes_nothing(package, redirection, code, said):
    program = (
        f"import sys\nfrom {package}.errors import run_command\n"
        "def main(argv):\n    print('all is well')\n"
        "sys.exit(run_command(main))\n"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, program],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize("package", ("prep", "adapters_tf"))
def test_a_terminal_that_lacks_letters(package):
    program = (
        f"import sys\nfrom {package}.errors import run_command\n"
        "def main(argv):\n    print('ж × 3')\n    raise ValueError('ш')\n"
        "sys.exit(run_command(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        b"\\u0436 \\xd7 3\n",
        b"error: \\u0448\n",
    )


def test_a_command_leaves_signals_as_they_were():
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for errors in (prep.errors, adapters_tf.errors):
            assert errors.run_command(lambda argv: 0, []) == 0
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("package", ("prep", "adapters_tf"))
def test_what_is_silenced(package):
    program = (
        "import logging, os\nbefore = dict(os.environ)\n"
        f"from {package}.quiet import quiet_libraries\nquiet_libraries()\nquiet_libraries()\n"
        "print(sorted(os.environ.items() - before.items()))\n"
        "logger = logging.getLogger('tensorflow')\n"
        "logger.warning('5 calls triggered tf.function retracing')\n"
        "logger.warning('`%s` is slow compared to the batch time', 'on_train_batch_end')\n"
        "logger.warning('worth reading')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.strip() == str(
        [
            ("HF_HUB_VERBOSITY", "error"),
            ("TF_CPP_MIN_LOG_LEVEL", "3"),
            ("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1"),
            ("TRANSFORMERS_VERBOSITY", "error"),
        ]
    )
    assert "worth reading" in done.stderr and "retracing" not in done.stderr
    assert "slow" not in done.stderr


def test_the_contract_of_dataset_folders():
    assert dataset_folder.SCHEMA_VERSION == manifest.SCHEMA_VERSION
    assert dataset_folder.MANIFEST_FILE == manifest.MANIFEST_FILE
