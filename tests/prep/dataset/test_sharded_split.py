"""Rows of a split from shards that are read as they are used: those of the whole split."""

import dataclasses

import numpy as np
import pytest

from prep import DataError, get_task
from prep.build.dataset import build_dataset
from prep.dataset.batches import make_batch, make_packed_batch
from prep.dataset.reading import read_shard, read_split
from prep.dataset.sharded_split import ShardedSplit, shard_sizes
from prep.dataset.staging import stage_dataset

TASK = "synthetic_choice"


@pytest.fixture(params=["one to a record", "packed"])
def dataset(request, rte_options):
    """A folder of many small shards, its manifest, and what makes batches of it."""
    is_packed = request.param == "packed"
    chosen = rte_options(
        tasks=(get_task(TASK),), pack=is_packed, max_input_length=128, shard_records=100
    )
    return chosen.out, build_dataset(chosen), make_packed_batch if is_packed else make_batch


def test_batches_are_those_of_the_whole_split(dataset):
    folder, manifest, make = dataset
    whole = read_split(folder, manifest, TASK, "train")
    split = ShardedSplit(folder, manifest, TASK, "train", limit=1 << 30)
    assert len(split.shard_rows) > 4
    assert (len(split), split.rows, split.tokens) == (len(whole), whole.rows, whole.tokens)
    assert (split.longest, split.is_packed) == (whole.longest, whole.is_packed)
    random = np.random.default_rng(0)
    for _ in range(5):
        rows = random.permutation(whole.rows)[:7]
        taken = split.take(rows)
        lengths = {"input_length": 128, "target_length": 64, "task": 3}
        found = make(taken, np.arange(7), **lengths)
        for key, value in make(whole, rows, **lengths).items():
            np.testing.assert_array_equal(found[key], value)
        assert taken.rows == 7
    everything = split.take(np.arange(whole.rows))
    np.testing.assert_array_equal(everything.examples, whole.examples)
    np.testing.assert_array_equal(everything.labels, whole.labels)
    np.testing.assert_array_equal(everything.inputs, whole.inputs)


def test_the_manifest_tells_what_shards_take(dataset):
    folder, manifest, _ = dataset
    sizes = shard_sizes(manifest, TASK, "train")
    found = [read_shard(folder, manifest, TASK, "train", n).nbytes for n in range(len(sizes))]
    if manifest.packing is None:
        assert sizes.tolist() == found
    else:  # of packed shards it does not count the examples
        np.testing.assert_allclose(sizes, found, rtol=0.15)
        assert sizes.sum() == pytest.approx(sum(found), rel=0.02)
    wide = dataclasses.replace(manifest.vocabulary, size=70_000)
    tokens = manifest.task(TASK).split("train")
    wider = shard_sizes(dataclasses.replace(manifest, vocabulary=wide), TASK, "train")
    assert (wider - sizes).sum() == 2 * (tokens.input_tokens + tokens.target_tokens)


def test_no_more_is_held_than_the_limit(dataset):
    folder, manifest, _ = dataset
    sizes = shard_sizes(manifest, TASK, "train")
    limit = int(2.5 * sizes.max())
    split = ShardedSplit(folder, manifest, TASK, "train", limit)
    for row in range(0, split.rows, 3):
        split.take(np.array([row]))
    assert split.shards.most_held <= limit
    assert split.shards.readings == len(sizes)


def test_a_damaged_shard_is_named(rte_dataset):
    folder, manifest = rte_dataset
    file = folder / manifest.task("rte").split("train").shards[1].file
    file.write_bytes(file.read_bytes()[:-7])
    split = ShardedSplit(folder, manifest, "rte", "train", limit=1 << 20)
    assert split.take(np.array([0, 7])).examples.tolist() == [0, 7]
    with pytest.raises(DataError, match=f"{file.name} is truncated"):
        split.take(np.array([0, 8]))


@pytest.mark.slow
def test_a_bucket_gives_the_same_rows(rte_dataset, bucket):
    folder, manifest = rte_dataset
    stage_dataset(folder, f"{bucket}/data")
    split = ShardedSplit(f"{bucket}/data", manifest, "rte", "train", limit=1 << 20)
    split.expect([0, 1], [2, 3])
    rows = np.random.default_rng(0).permutation(30)
    assert split.take(rows).examples.tolist() == rows.tolist()
    assert split.shards.readings == 4
