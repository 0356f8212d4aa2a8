"""The command: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prep.errors import run_command
from trainer.doctor import command as doctor
from trainer.doctor.finding import Finding, summarise

FINE = Finding("ok", "disk", "enough")
LONG = Finding("warning", "versions", " ".join(["word"] * 40), " ".join(["command"] * 30))
BAD = Finding("fault", "TPU", "there is none", "make tpu-setup")


@pytest.fixture
def findings(monkeypatch):
    """Replaces what is looked at."""

    def replace(*found):
        monkeypatch.setattr(doctor, "examine", lambda options: iter(found))

    return replace


def test_a_machine_without_faults_ends_with_0(findings, capsys):
    findings(FINE, LONG)
    assert run_command(doctor.main, []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok       disk: enough" and lines[-1] == "2 checks: 1 warning"
    assert all(len(line) <= 80 for line in lines)
    assert any(line.startswith("         → command") for line in lines)


def test_a_fault_ends_with_1(findings, capsys):
    findings(FINE, BAD, BAD)
    assert run_command(doctor.main, []) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 checks: 2 faults"


def test_a_report_in_json(findings, capsys):
    findings(FINE, BAD)
    assert run_command(doctor.main, ["--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["findings"][1] == {
        "status": "fault",
        "about": "TPU",
        "what": "there is none",
        "mend": "make tpu-setup",
    }
    assert report["python"] and report["platform"]


def test_a_long_word_stays_whole():
    """A path in a command must not be torn apart."""
    path = "/a" * 60
    assert any(path in line for line in Finding("fault", "x", "y", f"rm {path}").lines())


def test_nothing_wrong_is_said():
    assert summarise([FINE]) == "1 check: nothing wrong"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind=tpus"], "did you mean 'tpu'?"),
        (["--datset=x"], "did you mean '--dataset'?"),
        (["--timeout=soon"], "expected seconds, such as 60"),
        (["--timeout=0"], "expected seconds, such as 60"),
    ],
)
def test_a_mistake_is_one_line(words, message, capsys):
    assert run_command(doctor.main, words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_it_starts_where_nothing_is_installed():
    """`-S` leaves site-packages out: Python has its standard library and our packages."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "trainer.doctor"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("fault    import: there is no module ")
    assert "         → make setup" in lines
    assert any(line.startswith("fault    transformers: not installed, expected") for line in lines)
