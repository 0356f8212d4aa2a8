import errno
import io
import subprocess
import sys

import pytest

from prep.errors import DataError, UsageError, is_terminal, nearest, run_command


def test_nearest_finds_a_close_name_whatever_its_case():
    assert nearest("RET", ["rte", "cola"]) == "did you mean 'rte'?"


def test_nearest_lists_the_names_when_none_is_close():
    assert nearest("zzzz", ["rte", "cola"]) == "valid names: cola, rte"


def test_nearest_of_nothing():
    assert nearest("x", []) == "there are none"


def test_an_error_may_have_lines_of_its_own(capsys):
    def main(argv):
        error = UsageError("a; b")
        error.lines = ("a:", "  b")
        raise error

    assert run_command(main, []) == 2
    assert capsys.readouterr().err == "error: a:\n  b\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("bad option"), 2, "error: bad option"),
        (DataError("bad\nfile"), 1, "error: bad file"),
        (ValueError("plain"), 1, "error: plain"),
        (FileNotFoundError(errno.ENOENT, "x", "a.tsv"), 1, "no such file or folder: a.tsv"),
        (PermissionError(errno.EACCES, "x", "a.tsv"), 1, "permission denied: a.tsv"),
        (IsADirectoryError(errno.EISDIR, "x", "d"), 1, "expected a file, found a folder: d"),
        (OSError(errno.ENOSPC, "x", "a.tfrecord"), 1, "disk full: no space left"),
        (ImportError("cannot import x"), 1, "cannot import x; `python -m trainer.doctor` says"),
        (ModuleNotFoundError("no jax", name="jax"), 1, "no jax; `python -m trainer.doctor` says"),
        (KeyboardInterrupt(), 3, "error: stopped by a signal; the same command goes on"),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(error, code, message, capsys):
    def fail(argv):
        raise error

    assert run_command(fail, []) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_success_and_arguments_pass_through():
    assert run_command(lambda argv: None if argv == ["a"] else 3, ["a"]) == 0
    assert run_command(lambda argv: 3, []) == 3


def test_a_programming_error_is_not_hidden():
    def fail(argv):
        raise TypeError("a defect")

    with pytest.raises(TypeError, match="a defect"):
        run_command(fail, [])


def test_a_stream_that_the_shell_closed_is_no_terminal():
    assert not is_terminal(None) and not is_terminal(io.StringIO())


def test_a_reader_who_has_seen_enough_is_no_error():
    program = (
        "import sys\nfrom prep.errors import run_command\n"
        "sys.exit(run_command(lambda argv: [print('line' * 100) for _ in range(9999)] and 0))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline().startswith(b"line")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
    process.stderr.close()
