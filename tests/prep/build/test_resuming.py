"""A build that was killed goes on with the shards that are not finished."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep.build.dataset import build_dataset
from prep.build.journal import JOURNAL_FILE
from prep.dataset.manifest import MANIFEST_FILE, load_manifest
from prep.errors import DataError
from prep.runners import local as pool
from prep.shards import writer as encoding
from prep.tasks import get_task

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def written(monkeypatch):
    """The names of the shards that this process writes."""
    names = []
    write = encoding.ShardWriter.write

    def note(self, job):
        names.append(f"{job.task.name}/{job.path.name}")
        return write(self, job)

    monkeypatch.setattr(encoding.ShardWriter, "write", note)
    return names


class Killed(BaseException):
    """Stands for whatever ends a process without asking it."""


@pytest.fixture
def interrupted(rte_options, rte_data, monkeypatch):
    """Options of a build of which the fourth shard was the last; its folder lies there."""
    path = rte_data / "rte" / "train.tsv"
    path.write_text(path.read_text().replace("\tentailment", "\tperhaps", 1))  # a rejected row
    attempt = pool._attempt
    count = 0

    def stop(writer, job):
        nonlocal count
        count += 1
        if count == 5:
            job.path.write_bytes(b"half of a shard")
            raise Killed
        return attempt(writer, job)

    with monkeypatch.context() as patch:
        patch.setattr(pool, "_attempt", stop)
        with pytest.raises(Killed):
            build_dataset(rte_options())
    return rte_options


def partial_of(out):
    return out.with_name(f".{out.name}.partial")


@pytest.mark.parametrize("workers", [1, 2])
def test_finished_shards_are_used_again(interrupted, tmp_path, workers, written, contents):
    options = interrupted(workers=workers)
    assert not options.out.exists()
    assert len((partial_of(options.out) / JOURNAL_FILE).read_text().splitlines()) == 4
    build_dataset(options)
    if workers == 1:
        assert written == ["rte/validation-00000.tfrecord", "rte/test-00000.tfrecord"]
    build_dataset(interrupted(out=tmp_path / "whole"))
    assert contents(options.out) == contents(tmp_path / "whole")
    assert "rte/rejected.jsonl" in contents(options.out)
    assert not partial_of(options.out).exists()


def test_another_task_may_join(interrupted, tmp_path, written, contents):
    tasks = (get_task("synthetic_choice"), get_task("rte"))
    build_dataset(interrupted(tasks=tasks))
    assert not [name for name in written if name.startswith("rte/train")]
    build_dataset(interrupted(tasks=tasks, out=tmp_path / "whole"))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "whole")


def spoil_option(folder, data):
    return {"max_input_length": 9}


def spoil_source(folder, data):
    with (data / "rte" / "dev.tsv").open("a") as file:
        file.write("9\tnew\trow\tentailment\n")
    return {}


def spoil_shards(folder, data):
    for path in folder.glob("rte/train*.tfrecord"):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return {}


def spoil_journal(folder, data):
    path = folder / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 8])
    return {}


def spoil_by_removing(folder, data):
    (folder / JOURNAL_FILE).unlink()
    (folder / "rte" / "stray.tfrecord").write_text("stray")
    (folder / "other").mkdir()
    return {}


@pytest.mark.parametrize(
    "spoil", [spoil_option, spoil_source, spoil_shards, spoil_journal, spoil_by_removing]
)
def test_what_is_stale_or_damaged_is_written_again(
    interrupted, rte_data, tmp_path, written, spoil, contents
):
    options = interrupted()
    options = interrupted(**spoil(partial_of(options.out), rte_data))
    build_dataset(options)
    assert [name for name in written if "train" in name] == [
        f"rte/train-0000{index}.tfrecord" for index in range(4)
    ]
    changes = {"max_input_length": options.max_input_length, "out": tmp_path / "whole"}
    build_dataset(interrupted(**changes))
    assert contents(options.out) == contents(tmp_path / "whole")


def test_lost_rejected_rows_are_found_again(interrupted, tmp_path, written):
    out = interrupted().out
    (rejected,) = partial_of(out).glob("rte/*rejected.jsonl")
    rejected.unlink()
    build_dataset(interrupted())
    assert written[0] == "rte/train-00000.tfrecord"
    assert len(written) == 3
    assert (out / "rte" / "rejected.jsonl").read_text().count("perhaps") == 1


# Kills the whole process when a number of shards is noted, wherever its workers are just then.
KILLED = """
import os, signal, sys
from prep.__main__ import main
from prep.build.journal import Journal

noted, add, shards = [], Journal.add, int(sys.argv[1])

def add_or_die(*arguments):
    add(*arguments)
    noted.append(arguments)
    if len(noted) == shards:
        os.kill(os.getpid(), signal.SIGKILL)

Journal.add = add_or_die
main(sys.argv[2:])
"""


def test_kill_in_the_middle(tmp_path, small_vocabulary, contents):
    """The real thing: SIGKILL to a process with workers, again and again until it is done."""
    out, whole = tmp_path / "dataset", tmp_path / "whole"

    def run(start, folder):
        words = [
            *(sys.executable, *start, "build", "--tasks", "scan_simple,synthetic_choice"),
            *("--out", str(folder), "--vocabulary", str(small_vocabulary), "--workers", "2"),
            *("--shard-records", "40"),
        ]
        return subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)

    journal = partial_of(out) / JOURNAL_FILE
    for noted in (30, 60):
        killed = run(["-c", KILLED, "30"], out)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert journal.read_bytes().count(b"\n") == noted
        assert not out.exists() and not (partial_of(out) / MANIFEST_FILE).exists()
        with pytest.raises(DataError):
            load_manifest(out)
    for folder in (out, whole):
        done = run(["-m", "prep"], folder)
        assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole)
    assert load_manifest(out).task("scan_simple").split("train").examples == 16_228
    assert not partial_of(out).exists()
