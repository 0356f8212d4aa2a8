"""One build at a time into a folder of a bucket, wherever the others run."""

import json
import time
from pathlib import Path

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.verification import find_problems
from prep.errors import DataError
from prep.storage import bucket_owner
from prep.storage.bucket_owner import OWNER_FILE, owned_address

LOCK = Path("/tmp/prep-0-abc/dataset")


@pytest.fixture
def said():
    return []


@pytest.fixture
def objects(emulator, bucket):
    return emulator.store.buckets[bucket[5:]]


@pytest.fixture
def other(emulator, bucket):
    """Makes the object of an owner elsewhere."""

    def make(**changes):
        says = {"host": "there", "process": 7, "lock": str(LOCK), "renewed": time.time()}
        content = json.dumps(says | changes).encode()
        emulator.store.put(bucket[5:], f"data/{OWNER_FILE}", content)

    return make


def test_the_owner_is_there_for_as_long_as_it_works(bucket, objects, said):
    with owned_address(f"{bucket}/data", LOCK, said.append):
        says = json.loads(objects[f"data/{OWNER_FILE}"].data)
        assert {"host", "process", "began"} <= says.keys() and says["lock"] == str(LOCK)
    assert objects == {} and said == []


@pytest.mark.parametrize("ending", [KeyboardInterrupt, DataError])
def test_whatever_ends_the_work_ends_the_ownership(bucket, objects, said, ending):
    with pytest.raises(ending), owned_address(f"{bucket}/data", LOCK, said.append):
        raise ending
    assert objects == {}


def test_another_machine_is_refused_with_who_and_how_to_go_on(bucket, objects, said, other):
    other(renewed=time.time() - 30)
    before = dict(objects)
    with pytest.raises(DataError) as caught, owned_address(f"{bucket}/data", LOCK, said.append):
        raise AssertionError("never reached")
    for part in (
        f"another build is writing {bucket}/data (process 7 on there, last seen 30 seconds ago)",
        "taken over after 10 minutes",
        f"if you remove {bucket}/data/{OWNER_FILE}",
    ):
        assert part in str(caught.value)
    assert objects == before


def test_two_who_begin_at_once_are_not_both_owners(bucket, said, other, monkeypatch):
    find = bucket_owner.BucketFolder.find

    def find_nothing(folder, name):
        found = find(folder, name)
        if found is None:
            other()  # in between
        return found

    monkeypatch.setattr(bucket_owner.BucketFolder, "find", find_nothing)
    with (
        pytest.raises(DataError, match="was changed by someone else"),
        owned_address(f"{bucket}/data", LOCK, said.append),
    ):
        raise AssertionError("never reached")


@pytest.mark.parametrize(
    "changes",
    [
        {"renewed": time.time() - 3600},  # a machine that is no more
        {"host": bucket_owner.socket.gethostname()},  # killed here, where its lock is ours
    ],
)
def test_one_that_is_no_more_is_replaced(bucket, objects, said, other, changes):
    other(**changes)
    with owned_address(f"{bucket}/data", LOCK, said.append):
        assert json.loads(objects[f"data/{OWNER_FILE}"].data)["process"] != 7
    assert objects == {}
    assert "of process 7 on" in said[0] and said[0].endswith("which ended, is replaced")


def test_an_owner_is_renewed_and_told_when_it_was_replaced(
    bucket, objects, said, other, monkeypatch
):
    monkeypatch.setattr(bucket_owner, "RENEWED_EVERY", 0.02)

    def wait_for(is_so):
        deadline = time.monotonic() + 300
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with owned_address(f"{bucket}/data", LOCK, said.append):
        first = json.loads(objects[f"data/{OWNER_FILE}"].data)["renewed"]
        wait_for(lambda: json.loads(objects[f"data/{OWNER_FILE}"].data)["renewed"] > first)

        def take_over():
            other()  # again, where a renewal that was on its way has replaced it
            return said

        wait_for(take_over)
    assert "was not renewed" in said[0] and "was not removed" in said[-1]
    assert json.loads(objects[f"data/{OWNER_FILE}"].data)["process"] == 7


@pytest.mark.slow
def test_a_build_into_a_bucket_that_is_being_built_into(rte_options, bucket, objects, other):
    other()
    with pytest.raises(DataError, match="another build is writing"):
        build_dataset(rte_options(out=f"{bucket}/data"), lambda line: None)
    assert list(objects) == [f"data/{OWNER_FILE}"]
    other(renewed=0)
    lines = []
    build_dataset(rte_options(out=f"{bucket}/data"), lines.append)
    assert list(find_problems(f"{bucket}/data")) == []
    assert f"data/{OWNER_FILE}" not in objects and "other objects are there" not in str(lines)


@pytest.mark.slow
def test_a_dataset_that_came_up_while_another_was_planned_is_not_replaced(
    rte_options, bucket, monkeypatch, objects
):
    options = rte_options(out=f"{bucket}/data")
    find = bucket_owner.BucketFolder.find

    def build_first(folder, name):
        monkeypatch.setattr(bucket_owner.BucketFolder, "find", find)
        build = rte_options(out=f"{bucket}/other", max_input_length=9)
        build_dataset(build, lambda line: None)
        for key in [key for key in objects if key.startswith("other/")]:
            objects[key.replace("other/", "data/")] = objects.pop(key)
        return find(folder, name)

    monkeypatch.setattr(bucket_owner.BucketFolder, "find", build_first)
    with pytest.raises(DataError, match="was changed by another build meanwhile"):
        build_dataset(options, lambda line: None)
