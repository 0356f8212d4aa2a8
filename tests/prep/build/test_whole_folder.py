"""Wherever a dataset shall be: links, mounts, the working folder; and one build at a time."""

import os
import signal
import subprocess
import sys
import time

import pytest

from prep.__main__ import main
from prep.build import whole_folder
from prep.build.dataset import build_dataset
from prep.dataset.manifest import load_manifest
from prep.errors import DataError, UsageError, run_command
from prep.storage import BucketPlace, place_of
from prep.storage.locks import locked


def quiet(line):
    pass


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk" / "real"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_link_stays_and_leads_to_the_dataset(rte_options, tmp_path, elsewhere, is_there):
    if is_there:
        elsewhere.mkdir()
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    build_dataset(rte_options(out=link), quiet)
    assert link.is_symlink() and load_manifest(elsewhere).tasks
    with pytest.raises(UsageError, match=r"link was built with other options|real was built"):
        build_dataset(rte_options(out=link, max_input_length=9), quiet)
    build_dataset(rte_options(out=link, max_input_length=9, force=True), quiet)
    assert link.is_symlink() and load_manifest(elsewhere).max_input_length == 9
    assert [path.name for path in elsewhere.parent.iterdir()] == ["real"]


def test_the_working_folder_stays_the_working_folder(rte_options, elsewhere, monkeypatch, contents):
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = elsewhere.stat().st_ino
    build_dataset(rte_options(out="."), quiet)
    assert elsewhere.stat().st_ino == before and load_manifest(".").tasks
    build_dataset(rte_options(), quiet)
    assert contents(elsewhere) == contents(rte_options().out)
    (elsewhere / "notes.txt").write_text("mine")
    build_dataset(rte_options(out=".", max_input_length=9, force=True), quiet)
    assert load_manifest(elsewhere).max_input_length == 9
    assert (elsewhere / "notes.txt").read_text() == "mine"
    assert not [path for path in elsewhere.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("content", [(), ("lost+found",)])
def test_what_is_mounted_is_filled_and_not_replaced(rte_options, elsewhere, monkeypatch, content):
    elsewhere.mkdir()
    for name in content:
        (elsewhere / name).mkdir()
    monkeypatch.setattr(type(elsewhere), "is_mount", lambda path: path == elsewhere)
    build_dataset(rte_options(out=elsewhere), quiet)
    assert load_manifest(elsewhere).tasks
    assert [path.name for path in elsewhere.parent.iterdir()] == ["real"]


def test_when_only_the_last_move_fails_the_work_is_kept(rte_options, monkeypatch, contents):
    options = rte_options()

    def refuse(*arguments):
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(whole_folder, "_move_into_place", refuse)
        with pytest.raises(DataError, match=r"cross-device.*it was kept in .*\.dataset\.partial"):
            build_dataset(options, quiet)
    partial = options.out.with_name(".dataset.partial")
    kept = contents(partial)
    build_dataset(options, quiet)
    assert contents(options.out) == kept and not partial.exists()


def test_a_place_that_cannot_be_written_is_known_before_the_work(rte_options, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        build_dataset(rte_options(out=tmp_path / "file" / "dataset"), quiet)


def test_a_home_folder_is_found_and_other_addresses_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(place_of("~/data")) == str(tmp_path / "data")
    assert isinstance(place_of("gs://bucket/data"), BucketPlace)
    for address in ("s3://bucket/data", "gs:/bucket", "hdfs://x/y", "file:///tmp/x", "GS://b/c"):
        with pytest.raises(UsageError, match="cannot be read; expected a local place or gs://"):
            place_of(address)
    with pytest.raises(UsageError, match=r"~nobody-of-that-name/x.*no such user"):
        place_of("~nobody-of-that-name/x")
    assert str(place_of("C:/data")) == "C:/data"


@pytest.mark.parametrize("option", ["--out", "--data-dir", "--vocabulary", "--tasks-file"])
def test_an_address_of_elsewhere_is_one_line(option, capsys):
    given = {"--tasks": "rte", "--vocabulary": "v", "--out": "o"} | {option: "s3://bucket/x"}
    assert run_command(main, ["build", *(part for pair in given.items() for part in pair)]) == 2
    error = capsys.readouterr().err
    assert f"argument {option}: 's3://bucket/x'" in error and "expected a" in error
    assert error.count("\n") == 1


def test_the_second_build_into_one_folder_is_refused(rte_options, tmp_path):
    options = rte_options()
    with (
        locked(tmp_path / ".dataset.lock", "it"),
        pytest.raises(DataError, match=rf"another build is writing .*process {os.getpid()}"),
    ):
        build_dataset(options, quiet)
    build_dataset(options, quiet)
    assert not list(tmp_path.glob(".*"))


def test_the_second_build_into_one_bucket_folder_is_refused(rte_options, bucket):
    options = rte_options(out=f"{bucket}/data")
    with (
        whole_folder.owned_target(place_of(options.out), quiet),
        pytest.raises(DataError, match=r"another build is writing gs://.*/data"),
    ):
        build_dataset(options, quiet)
    build_dataset(options, quiet)


@pytest.mark.slow
def test_a_crash_releases_the_lock(rte_options, tmp_path):
    path = tmp_path / ".dataset.lock"
    code = (
        "import pathlib, sys, time\nfrom prep.storage.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'it'):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="another build"):
            build_dataset(rte_options(), quiet)
        process.send_signal(signal.SIGKILL)
        process.wait()
    started = time.monotonic()
    build_dataset(rte_options(), quiet)
    assert path.exists() is False and time.monotonic() - started < 30
