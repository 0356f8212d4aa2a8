"""Building straight into a bucket."""

import tempfile
from pathlib import Path

import pytest

from prep.build import whole_folder
from prep.build.dataset import build_dataset
from prep.dataset.verification import find_problems
from prep.errors import DataError, UsageError
from prep.runners import local as pool
from prep.shards import writer as encoding

pytestmark = pytest.mark.slow


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that temporary folders are made in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def silent(line):
    """Nobody reads along."""


def test_the_bucket_holds_what_the_disk_would(rte_options, bucket, emulator, temporary):
    out = rte_options().out
    expected = build_dataset(rte_options(), report=silent)
    built = build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    assert built == expected
    objects = emulator.store.buckets[bucket[5:]]
    for path in (path for path in out.rglob("*") if path.is_file()):
        assert objects[f"data/{path.relative_to(out).as_posix()}"].data == path.read_bytes()
    assert list(find_problems(f"{bucket}/data")) == []
    assert list(temporary.iterdir()) == []


def test_a_dataset_that_is_there_already(rte_options, bucket, emulator):
    lines = []
    build_dataset(rte_options(out=f"{bucket}/data"), report=lines.append)
    assert f"{bucket}/data: 8 of 8 files uploaded" in lines[-1]
    emulator.forget_requests()
    build_dataset(rte_options(out=f"{bucket}/data"), report=lines.append)
    assert lines[-1] == f"{bucket}/data is already built with these options; nothing to do"
    other = {"out": f"{bucket}/data", "max_input_length": 8}
    with pytest.raises(UsageError, match=r"other options \(max_input_length differ\); choose"):
        build_dataset(rte_options(**other), report=silent)
    assert emulator.store.writes == []
    build_dataset(rte_options(**other, force=True), report=silent)
    assert emulator.store.writes[-1] == "data/dataset.json"


def test_a_bucket_that_is_not_there_is_known_before_the_work(rte_options, bucket, temporary):
    with pytest.raises(DataError, match="no such bucket: gs://another"):
        build_dataset(rte_options(out="gs://another/data"), report=silent)
    assert list(temporary.iterdir()) == []


def test_a_build_that_fails_leaves_nothing(rte_options, bucket, emulator, temporary, rte_data):
    header = "index\tsentence1\tsentence2\tlabel\n"
    (rte_data / "rte" / "dev.tsv").write_text(header + "1\ta\tb\tperhaps\n")
    with pytest.raises(DataError, match="every row was rejected"):
        build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    assert list(temporary.iterdir()) == []
    assert emulator.store.buckets[bucket[5:]] == {}


class Killed(BaseException):
    """Stands for whatever ends a process without asking it."""


@pytest.fixture
def written(monkeypatch):
    """The names of the shards that this process writes."""
    names = []
    write = encoding.ShardWriter.write

    def note(self, job):
        names.append(job.path.name)
        return write(self, job)

    monkeypatch.setattr(encoding.ShardWriter, "write", note)
    return names


def test_a_killed_build_goes_on_shard_by_shard(
    rte_options, bucket, emulator, temporary, written, monkeypatch
):
    def stop(writer, job, attempt=pool._attempt):
        if len(written) == 4:
            raise Killed
        return attempt(writer, job)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(pool, "_attempt", stop)
        build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    assert emulator.store.buckets[bucket[5:]] == {}
    assert len(written) == 4
    built = build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    assert written[4:] == ["validation-00000.tfrecord", "test-00000.tfrecord"]
    assert built == build_dataset(rte_options(), report=silent)
    assert list(find_problems(f"{bucket}/data")) == []
    assert list(temporary.iterdir()) == []


def test_a_build_that_was_killed_while_staging_only_stages(
    rte_options, bucket, temporary, written, monkeypatch
):
    def stop(folder, address, report):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(whole_folder, "_stage", stop)
        build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    count = len(written)
    build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    assert len(written) == count
    assert list(find_problems(f"{bucket}/data")) == []
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(whole_folder, "_stage", stop)
        build_dataset(rte_options(out=f"{bucket}/other"), report=silent)
    built = build_dataset(rte_options(out=f"{bucket}/other", max_input_length=8), report=silent)
    assert built.max_input_length == 8
    assert len(written) == 3 * count
    assert list(temporary.iterdir()) == []


def test_somebody_elses_folder_is_not_written_to(rte_options, bucket, temporary, tmp_path):
    address = f"{bucket}/data"
    folder = whole_folder._temporary_folder(address)
    folder.rmdir()
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(DataError, match="belongs to somebody else; set TMPDIR"):
        build_dataset(rte_options(out=address), report=silent)


def test_work_is_kept_when_the_bucket_refuses_it(rte_options, bucket, emulator, temporary):
    emulator.faults.add("POST", count=100, skip=1, status=403)  # after it says who builds
    with pytest.raises(
        DataError, match=r"no permission .*; the finished dataset was kept"
    ) as caught:
        build_dataset(rte_options(out=f"{bucket}/data"), report=silent)
    command = str(caught.value).partition("python -m prep stage ")[2].split()
    assert command[1] == f"{bucket}/data"
    assert list(find_problems(Path(command[0]))) == []
