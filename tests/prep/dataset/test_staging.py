import subprocess
import sys
import time
from pathlib import Path

import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.dataset.manifest import MANIFEST_FILE
from prep.dataset.staging import describe_file, stage_dataset
from prep.errors import DataError, UsageError, run_command
from prep.storage.bucket import BucketFolder, RemoteObject

ROOT = Path(__file__).parents[3]
NOTHING_SEEN = None


def staged(emulator, address):
    """The objects of a bucket's folder by name."""
    bucket, _, prefix = address.removeprefix("gs://").partition("/")
    objects = emulator.store.buckets[bucket].values()
    return {stored.name.removeprefix(f"{prefix}/"): stored.data for stored in objects}


def uploads(emulator):
    """Names of the objects that were written, in that order, without the prefix."""
    return [name.removeprefix("data/") for name in emulator.store.writes]


@pytest.fixture
def dataset(rte_dataset):
    """A built dataset folder of six shards and a vocabulary."""
    return rte_dataset[0]


@pytest.fixture
def address(bucket):
    return f"{bucket}/data"


@pytest.fixture
def staged_dataset(dataset, address, emulator):
    """A dataset folder that was staged; the emulator's log starts after that."""
    stage_dataset(dataset, address)
    emulator.forget_requests()
    return dataset


def test_everything_is_staged_and_the_manifest_last(dataset, address, emulator, contents):
    summary = stage_dataset(dataset, address)
    assert staged(emulator, address) == contents(dataset)
    assert uploads(emulator)[-1] == MANIFEST_FILE
    assert sorted(uploads(emulator)) == sorted(contents(dataset))
    assert summary.uploaded == summary.files == len(contents(dataset))
    assert summary.uploaded_bytes == sum(map(len, contents(dataset).values()))
    assert summary.foreign == 0


def test_staging_again_sends_nothing(staged_dataset, address, emulator):
    summary = stage_dataset(staged_dataset, address)
    assert (summary.uploaded, summary.uploaded_bytes) == (0, 0)
    assert {entry.method for entry in emulator.log} == {"GET"}


def test_only_what_differs_is_sent(staged_dataset, address, emulator, bucket, contents):
    missing, damaged = sorted(name for name in contents(staged_dataset) if "train" in name)[:2]
    emulator.store.delete(bucket[5:], f"data/{missing}")
    emulator.store.flip_byte(bucket[5:], f"data/{damaged}")  # same size, other content
    emulator.forget_requests()
    summary = stage_dataset(staged_dataset, address)
    assert staged(emulator, address) == contents(staged_dataset)
    assert set(uploads(emulator)) == {missing, damaged, MANIFEST_FILE}
    assert summary.uploaded == 3


def test_a_missing_manifest_is_all_that_is_sent(staged_dataset, address, emulator, bucket):
    emulator.store.delete(bucket[5:], f"data/{MANIFEST_FILE}")
    stage_dataset(staged_dataset, address)
    assert uploads(emulator) == [MANIFEST_FILE]


def test_another_dataset_replaces_the_manifest_before_anything_else(
    staged_dataset, address, emulator, rte_options, contents
):
    options = rte_options(max_input_length=8, force=True)
    build_dataset(options, report=lambda line: None)
    summary = stage_dataset(staged_dataset, address)
    changes = [entry for entry in emulator.log if entry.method != "GET"]
    assert changes[0].method == "DELETE"
    assert MANIFEST_FILE in changes[0].path
    assert uploads(emulator)[-1] == MANIFEST_FILE
    assert staged(emulator, address) == contents(staged_dataset)
    assert summary.foreign == 0


def test_objects_of_others_are_left_alone(dataset, address, emulator, bucket):
    emulator.store.put(bucket[5:], "data/notes.txt", b"mine")
    emulator.store.put(bucket[5:], "database/notes.txt", b"beside the prefix")
    assert stage_dataset(dataset, address).foreign == 1
    assert staged(emulator, address)["notes.txt"] == b"mine"


def test_a_whole_bucket_can_be_the_folder(dataset, bucket, emulator, contents):
    stage_dataset(dataset, bucket + "/")
    assert set(emulator.store.buckets[bucket[5:]]) == set(contents(dataset))


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "GET .*/o\\?", "status": 503, "count": 3},
        {"match": "POST", "status": 503, "count": 12},
        {"match": "POST", "status": 429, "count": 12},
        {"match": "POST", "reset_after": 100, "count": 5},
        {"match": "POST", "reset_after": 0, "count": 5},
        {"match": "POST", "lose_response": True, "count": 5},
        {"match": "POST", "flip_request": True, "count": 3},
        {"match": "POST", "truncate_response": True, "count": 5},
        {"match": "DELETE", "lose_response": True},
        {"match": "DELETE", "status": 503, "count": 3},
        {"match": "GET .*/o/", "truncate_response": True, "count": 3},
    ],
    ids=lambda fault: " ".join(f"{name}={value}" for name, value in fault.items()),
)
def test_a_fault_loses_nothing(dataset, address, emulator, bucket, fault, contents):
    # Something to remove, to replace and to add.
    emulator.store.put(bucket[5:], f"data/{MANIFEST_FILE}", b"{}")
    emulator.store.put(bucket[5:], "data/spiece.model", b"old")
    emulator.faults.add(**fault)
    if fault["match"] == "GET .*/o/":  # an object is looked up only after a conflict
        emulator.faults.add("POST", lose_response=True, count=2)
    stage_dataset(dataset, address)
    assert emulator.faults.injected >= fault.get("count", 1)
    assert staged(emulator, address) == contents(dataset)
    assert stage_dataset(dataset, address).uploaded == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "PUT", "reset_after": 5_000_000},
        {"match": "PUT", "status": 503, "count": 2},
        {"match": "PUT", "status": 429, "count": 2},
        {"match": "PUT", "lose_response": True},
        {"match": "PUT", "flip_request": True},
        {"match": "POST", "lose_response": True},
    ],
    ids=lambda fault: " ".join(f"{name}={value}" for name, value in fault.items()),
)
def test_a_fault_in_a_large_file_loses_nothing(bucket, emulator, tmp_path, fault):
    """Above 8 MiB the client uses resumable uploads."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (36 << 10))
    checksum = describe_file("large", path).crc32c
    emulator.faults.add(**fault)
    with BucketFolder(bucket) as folder:
        folder.upload("large", path, checksum, NOTHING_SEEN)
        assert folder.list_objects()["large"].crc32c == checksum
    assert emulator.faults.injected == fault.get("count", 1)
    assert staged(emulator, bucket)["large"] == path.read_bytes()


def test_a_service_that_stores_what_arrived_damaged(bucket, emulator, tmp_path, monkeypatch):
    """The client compares the checksum it is told, and removes what is not right."""
    emulator.store.put(bucket[5:], "large", b"old")
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (36 << 10))
    checksum = describe_file("large", path).crc32c
    put = emulator.store.put

    def put_unchecked(bucket, name, data, conditions, expected_crc32c, **attributes):
        return put(bucket, name, data, conditions, None, **attributes)

    monkeypatch.setattr(emulator.store, "put", put_unchecked)
    emulator.faults.add("PUT", flip_request=True)
    with BucketFolder(bucket) as folder:
        folder.upload("large", path, checksum, folder.list_objects()["large"])
    assert emulator.store.writes == ["large"] * 3  # the old one, the damaged one, the right one
    assert staged(emulator, bucket)["large"] == path.read_bytes()


@pytest.mark.parametrize("repetitions", [1, 36 << 10], ids=["small", "resumable"])
def test_a_file_that_changed_after_it_was_measured(bucket, tmp_path, repetitions):
    path = tmp_path / "x"
    path.write_bytes(b"content")
    checksum = describe_file("x", path).crc32c
    path.write_bytes(bytes(range(256)) * repetitions)
    with BucketFolder(bucket) as folder, pytest.raises(DataError, match="x was changed while it"):
        folder.upload("x", path, checksum, NOTHING_SEEN)


def test_more_objects_than_a_page_holds(bucket, emulator):
    for number in range(1203):
        emulator.store.put(bucket[5:], f"data/{number:04d}", b"x")
    with BucketFolder(f"{bucket}/data") as folder:
        assert sorted(folder.list_objects()) == [f"{number:04d}" for number in range(1203)]


@pytest.mark.parametrize("fault", ["flip_response", "truncate_response"])
def test_a_damaged_download_is_repeated(bucket, emulator, fault):
    emulator.store.put(bucket[5:], "x", b"content" * 100)
    with BucketFolder(bucket) as folder:
        emulator.faults.add("alt=media", count=2, **{fault: True})
        assert folder.read("x") == b"content" * 100
        assert folder.read("y") is None
        emulator.faults.add("alt=media", count=100, flip_response=True)
        with pytest.raises(DataError, match="x arrived damaged 4 times"):
            folder.read("x")


def test_a_file_that_never_arrives_whole_is_an_error(bucket, emulator, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"content" * 100)
    checksum = describe_file("x", path).crc32c
    emulator.faults.add("POST", count=100, flip_request=True)
    with BucketFolder(bucket) as folder, pytest.raises(DataError, match="arrived damaged 4 times"):
        folder.upload("x", path, checksum, NOTHING_SEEN)
    assert staged(emulator, bucket) == {}


def test_what_someone_else_wrote_is_not_overwritten(bucket, emulator, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"ours")
    checksum = describe_file("x", path).crc32c
    emulator.store.put(bucket[5:], "x", b"theirs")
    seen = RemoteObject("x", 4, checksum, generation=1)
    with BucketFolder(bucket) as folder:
        for replaced in (NOTHING_SEEN, seen):
            with pytest.raises(DataError, match="changed by someone else meanwhile"):
                folder.upload("x", path, checksum, replaced)
        with pytest.raises(DataError, match="changed by someone else meanwhile"):
            folder.remove(seen)
    assert staged(emulator, bucket) == {"x": b"theirs"}


def test_what_changes_while_we_stage_is_noticed(
    staged_dataset, address, emulator, bucket, contents
):
    """Someone damages a file that was found right, while another file is being sent."""
    damaged, missing = sorted(name for name in contents(staged_dataset) if "train" in name)[:2]
    emulator.store.delete(bucket[5:], f"data/{missing}")
    upload = BucketFolder.upload

    def damage_and_upload(self, *arguments):
        emulator.store.flip_byte(bucket[5:], f"data/{damaged}")
        upload(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BucketFolder, "upload", damage_and_upload)
        with pytest.raises(DataError, match=f"{damaged} was changed by someone else"):
            stage_dataset(staged_dataset, address)
    assert MANIFEST_FILE not in staged(emulator, address)


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_no_dataset(
    staged_dataset, address, emulator, rte_options, contents
):
    build_dataset(rte_options(max_input_length=8, force=True), report=lambda line: None)
    emulator.faults.add("POST", skip=3, count=100, delay=60.0)
    command = [sys.executable, "-m", "prep", "stage", str(staged_dataset), address]
    with subprocess.Popen([*command, "--workers", "2"], cwd=ROOT) as process:
        deadline = time.monotonic() + 300
        while emulator.faults.injected < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert MANIFEST_FILE not in staged(emulator, address)
    arrived = len(uploads(emulator))
    assert arrived == 3
    emulator.faults.clear()
    emulator.forget_requests()
    summary = stage_dataset(staged_dataset, address)
    assert staged(emulator, address) == contents(staged_dataset)
    assert summary.uploaded == len(uploads(emulator))
    assert summary.uploaded <= summary.files - arrived


def test_a_damaged_local_folder_is_not_staged(dataset, address, emulator):
    shard = next(dataset.glob("rte/train*"))
    content = shard.read_bytes()
    shard.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(DataError, match=f"{shard.name} is corrupt: crc32c .*build the dataset"):
        stage_dataset(dataset, address)
    shard.unlink()
    with pytest.raises(DataError, match=f"{shard.name} is missing; build the dataset again"):
        stage_dataset(dataset, address)
    shard.write_bytes(content)
    (dataset / "spiece.model").write_bytes(b"another")
    with pytest.raises(DataError, match="not the vocabulary the dataset was built with"):
        stage_dataset(dataset, address)
    (dataset / MANIFEST_FILE).unlink()
    with pytest.raises(DataError, match=f"has no {MANIFEST_FILE}"):
        stage_dataset(dataset, address)
    assert emulator.log == []


@pytest.mark.parametrize(
    ("address", "workers", "message"),
    [
        ("bucket/data", 1, "expected an address such as gs://bucket/prefix, got 'bucket/data'"),
        ("gs:/bucket/data", 1, "got 'gs:/bucket/data'"),
        ("gs://", 1, "got 'gs://'"),
        ("gs://bucket", 0, "`workers` is 0; it must be >= 1"),
    ],
)
def test_impossible_requests(dataset, address, workers, message):
    with pytest.raises(UsageError, match=message):
        stage_dataset(dataset, address, workers)


def test_a_staged_folder_is_no_source(address):
    with pytest.raises(UsageError, match="only a local folder can be staged"):
        stage_dataset(address, address)


def test_the_command_says_what_it_did(dataset, address, capsys):
    command = ["stage", str(dataset), address]
    assert run_command(main, command) == 0
    assert f"{address}: 8 of 8 files uploaded" in capsys.readouterr().out
    assert run_command(main, command) == 0
    assert capsys.readouterr().out == (
        f"{address} already holds this dataset (8 files); nothing to do\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("match", "skip", "sent"),
    [("GET /storage", 0, ""), ("POST /upload", 2, "2 of "), ("POST /upload", 0, "0 of ")],
)
def test_a_service_that_never_gets_well_is_given_up(
    dataset, address, emulator, capsys, match, skip, sent
):
    emulator.faults.add(match, status=500, count=10**6, skip=skip)
    started = time.monotonic()
    arguments = ["stage", str(dataset), address, "--workers", "2", "--give-up-after", "0.6"]
    assert run_command(main, arguments) == 1
    assert time.monotonic() - started < 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "500" in error
    if sent:
        assert f"{sent}" in error and "files were sent; missing, besides the manifest: " in error
    emulator.faults.clear()
    assert run_command(main, arguments) == 0


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_giving_up_takes_a_while(dataset, address, seconds, capsys):
    assert run_command(main, ["stage", str(dataset), address, f"--give-up-after={seconds}"]) == 2
    assert "--give-up-after" in capsys.readouterr().err
