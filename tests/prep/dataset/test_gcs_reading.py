"""Datasets in a bucket, read through TensorFlow's gs://."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters_tf.files.dataset_folder import open_dataset
from prep.__main__ import main
from prep.dataset.manifest import load_manifest
from prep.dataset.reading import read_split, read_vocabulary
from prep.dataset.staging import stage_dataset
from prep.dataset.verification import find_problems
from prep.errors import DataError, run_command

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def dataset(rte_dataset, bucket):
    """A dataset folder, its manifest, and the address it was staged to."""
    folder, manifest = rte_dataset
    stage_dataset(folder, f"{bucket}/data")
    return folder, manifest, f"{bucket}/data"


@pytest.fixture
def damage(bucket, emulator):
    """Flips a bit in the first object of the bucket whose name has this in it."""

    def call(part, position=20):
        name = next(name for name in sorted(emulator.store.buckets[bucket[5:]]) if part in name)
        emulator.store.flip_byte(bucket[5:], name, position)
        return name

    return call


def test_the_same_is_read_as_from_the_disk(dataset):
    folder, manifest, address = dataset
    assert load_manifest(address) == manifest
    for split in manifest.task("rte").splits:
        local = read_split(folder, manifest, "rte", split)
        remote = read_split(address, manifest, "rte", split)
        for column in ("inputs", "input_offsets", "targets", "target_offsets", "labels"):
            np.testing.assert_array_equal(getattr(remote, column), getattr(local, column))
    text = "a man plays a flute"
    vocabulary = read_vocabulary(address, manifest)
    assert vocabulary.encode(text) == read_vocabulary(folder, manifest).encode(text)


def test_task_embeddings_read_the_same_inputs(dataset):
    folder, _, address = dataset
    local, remote = open_dataset(str(folder)), open_dataset(address)
    assert local.read_vocabulary() == remote.read_vocabulary()
    inputs = local.read_inputs("rte", 20)
    assert len(inputs) == 20
    for ours, theirs in zip(inputs, remote.read_inputs("rte", 20), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_verify_and_inspect_take_a_bucket(dataset, capsys):
    address = dataset[2]
    assert run_command(main, ["verify", address]) == 0
    assert capsys.readouterr().out == f"{address} is sound\n"
    assert run_command(main, ["inspect", address]) == 0
    assert "train: 30 examples" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["train-00001", "validation", "spiece.model"])
def test_verify_names_what_was_damaged_in_the_bucket(dataset, damage, part):
    name = damage(part)
    problems = list(find_problems(dataset[2]))
    assert len(problems) == 1
    assert f"{dataset[2]}/{name.removeprefix('data/')}" in problems[0]


def test_verify_names_what_is_missing_in_the_bucket(dataset, bucket, emulator):
    names = [name for name in sorted(emulator.store.buckets[bucket[5:]]) if "train-" in name]
    emulator.store.delete(bucket[5:], names[1])
    problems = list(find_problems(dataset[2]))
    assert [names[1].removeprefix("data/") in problem for problem in problems] == [True]
    assert "is missing" in problems[0]


@pytest.mark.parametrize("part", ["train-00000", "spiece.model"])
def test_bits_that_flip_on_the_way_are_read_again(dataset, emulator, part):
    _, manifest, address = dataset
    emulator.faults.add(f"GET /bucket-.*{part}", count=2, flip_response=True)
    assert list(find_problems(address)) == []
    assert emulator.faults.injected == 2
    emulator.faults.add("GET /bucket-.*train-00000", count=100, flip_response=True)
    with pytest.raises(DataError, match=r"train-00000.* is corrupt: crc32c"):
        read_split(address, manifest, "rte", "train")


def test_verify_survives_bursts_resets_and_truncation(dataset, bucket, emulator, monkeypatch):
    """In a process of its own: how long TensorFlow waits between tries is fixed at its import."""
    faults = (
        {"match": "train-00000", "status": 503, "count": 2},
        {"match": "train-00001", "status": 429},
        {"match": "GET /bucket-.*train-00002", "truncate_response": True},
        {"match": "GET /bucket-.*train-00003", "reset_after": 0},
        {"match": "GET /bucket-.*spiece", "truncate_response": True},
    )
    for fault in faults:
        emulator.faults.add(**fault)
    done = subprocess.run(
        [sys.executable, "-m", "prep", "verify", dataset[2]],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{dataset[2]} is sound\n", "")
    assert emulator.faults.injected == sum(fault.get("count", 1) for fault in faults)
