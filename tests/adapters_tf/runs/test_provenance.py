"""Which code and libraries made a file."""

import platform
import subprocess
from importlib import metadata

import tensorflow as tf

from adapters_tf.runs import provenance
from adapters_tf.runs.provenance import find_commit, list_versions


def test_versions_are_those_in_use():
    versions = list_versions()
    assert versions["python"] == platform.python_version()
    assert versions["tensorflow"] == tf.__version__
    assert list(versions) == ["python", *provenance.PACKAGES]


def test_a_package_under_another_name_is_absent(monkeypatch):
    version = metadata.version

    def without_tensorflow(package):
        if package == "tensorflow":
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", without_tensorflow)
    assert list_versions()["tensorflow"] == "absent"


def test_the_commit_is_that_of_the_code_and_says_if_it_was_changed(monkeypatch):
    asked = []

    def answer(command, **keywords):
        asked.append((command, keywords["cwd"]))
        return subprocess.CompletedProcess(command, 0, stdout="0123abc-dirty\n", stderr="")

    monkeypatch.setattr(subprocess, "run", answer)
    assert find_commit() == "0123abc-dirty"
    ((command, folder),) = asked
    assert "--dirty" in command and (folder / "provenance.py").is_file()


def test_without_git_the_commit_is_unknown(monkeypatch):
    for error in (FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")):

        def fail(*arguments, error=error, **keywords):
            raise error

        monkeypatch.setattr(subprocess, "run", fail)
        assert find_commit() == "unknown"
