"""What the notebooks install, by what a runtime has."""

import subprocess
import sys
from pathlib import Path

import pytest

from notebooks import install

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("files", "environment", "kind"),
    [
        ((), {}, "cpu"),
        (("nvidia0",), {}, "gpu"),
        (("accel0", "accel1"), {}, "tpu"),
        (("vfio/0",), {}, "tpu"),
        ((), {"COLAB_TPU_ADDR": "10.0.0.2:8470"}, "tpu"),
        (("nvidia0",), {"TPU_NAME": ""}, "gpu"),
    ],
)
def test_what_a_runtime_has(tmp_path, files, environment, kind):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert install.find_kind(tmp_path, environment) == kind


def test_what_is_asked_for():
    assert (
        install.wanted("cpu")["tensorflow"] == install.wanted("tpu")["tensorflow-tpu"] == "2.20.0"
    )
    assert install.wanted("tpu")["libtpu"] == "0.0.14" and "tensorflow" not in install.wanted("tpu")
    assert install.wanted("cpu")["keras-nlp"] == "0.32.0"
    assert "--no-deps" in install.pip_words("tpu")[0]
    assert install.pip_words("gpu")[1][0] == "tensorflow[and-cuda]==2.20.0"


def test_in_this_environment_nothing_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(install, "find_kind", lambda: "cpu")
    install.main(["--dry-run"])
    assert capsys.readouterr().out == "this runtime has a CPU; 0 packages are to be installed\n"


def test_what_is_missing_is_installed(capsys, monkeypatch):
    monkeypatch.setattr(install, "find_kind", lambda: "gpu")
    monkeypatch.setattr(install, "missing", lambda kind: ["tensorflow"])
    install.main(["--dry-run"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1].endswith(f"-c {ROOT / 'constraints.txt'}")


def test_nothing_is_run_that_is_only_shown(capsys, monkeypatch):
    monkeypatch.setattr(install, "missing", lambda kind: ["tensorflow"])
    monkeypatch.setattr(install, "find_kind", lambda: "cpu")
    calls = []
    monkeypatch.setattr(install.subprocess, "run", lambda words, check: calls.append(words))
    install.main(["--dry-run"])
    assert calls == []
    install.main([])
    assert [words[1:5] for words in calls] == [["-m", "pip", "install", "--quiet"]]


def test_help_loads_no_library():
    words = [sys.executable, "-X", "importtime", "-m", "notebooks.install", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m notebooks.install [-h] [--dry-run]")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "packaging" in loaded and not loaded & {"tensorflow", "numpy", "nbformat", "keras"}


@pytest.mark.parametrize("word", ["--dryrun", "tpu"])
def test_an_option_that_there_is_not_installs_nothing(word, capsys):
    with pytest.raises(SystemExit):
        install.main([word])
    assert word in capsys.readouterr().err
