"""Lanes: equal parts of a split, of which a host reads its own, however many hosts there are."""

import shutil
import types

import numpy as np
import pytest

from adapters_tf.runtime.workers import Worker
from prep import DataError, ShardEntry, SplitEntry, load_manifest
from prep.dataset.sharded_split import ShardedSplit
from prep.dataset.split_part import SplitPart
from tests.trainer.batches.test_mixture_batches import make_table, pack_table
from trainer.batches.lanes import count_before, count_drawn, lane_rows, make_lanes, rows_of_places
from trainer.batches.mixture_batches import MixtureBatches
from trainer.batches.orders import BlockOrder
from trainer.parts import make_batches
from trainer.settings.config import DataConfig, RunConfig, TrainingConfig
from trainer.settings.memory import memory_needs
from trainer.settings.resolving import resolve

TASKS = ("synthetic_entailment", "synthetic_choice")
STEPS = 40


def test_rows_by_lane():
    assert lane_rows(7, 3) == [range(2), range(2, 4), range(4, 7)]
    # Of 8 places and 4 lanes, places 2 to 5 are those of lanes 1 and 2.
    assert rows_of_places(10, 4, 8, range(2, 6)) == range(2, 7)
    assert rows_of_places(10, 2, 8, range(3, 5)) == range(10)


def test_draws_are_counted_by_task_and_lane():
    whole = np.array([0, 1, 0, 0], np.int32)
    assert count_before(whole, 2, 1, 2).tolist() == [0, 0, 1, 2]
    assert count_drawn(whole, 2, 1, 2, 8).tolist() == [[12, 12], [4, 4]]
    mixed = np.array([0, 1, 0, 0, 0, 0, 1, 0], np.int32)  # two batches of four rows
    assert count_before(mixed, 2, 4, 2).tolist() == [0, 0, 0, 1, 1, 2, 0, 2]
    assert count_drawn(mixed, 2, 4, 2, 4).tolist() == [[3, 3], [1, 1]]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("draws", [1, 8])
def test_each_row_of_a_lane_comes_up_once_an_epoch_at_its_places(draws, pack):
    tables = {"a": make_table(46, 100), "b": make_table(74, 300)}
    if pack:
        tables = {name: pack_table(table) for name, table in tables.items()}
    schedule = np.random.default_rng(0).integers(0, 2, 200 * draws).astype(np.int32)
    lengths = {"input_length": 6, "target_length": 6}
    batches = MixtureBatches(
        tables, schedule, batch_size=8, seed=3, draws=draws, lanes=4, **lengths
    )
    seen = {}
    for number in range(200):
        for task, (places, rows) in batches.rows(number).items():
            for place, row in zip(places.tolist(), rows.tolist(), strict=True):
                seen.setdefault((task, place // 2), []).append(row)
    assert len(seen) == 8
    for (task, lane), rows in seen.items():
        own = lane_rows(batches.tables[task].rows, 4)[lane]
        epochs = [tuple(rows[n : n + len(own)]) for n in range(0, len(rows), len(own))][:3]
        assert [sorted(epoch) for epoch in epochs] == [list(own)] * 3
        assert len(set(epochs)) == 3


def test_a_single_lane_has_the_order_that_there_was_without_lanes():
    """Empty shards are drawn for it too."""
    shards = tuple(ShardEntry("gone", rows, 0, "", rows, rows) for rows in (0, 8, 5, 8, 3, 0))
    split = SplitEntry(24, shards, 0, 0, 1, 1, (), 0, {})
    task = types.SimpleNamespace(split=lambda name: split)
    vocabulary = types.SimpleNamespace(size=1000)
    manifest = types.SimpleNamespace(vocabulary=vocabulary, task=lambda name: task)
    sharded = ShardedSplit("nowhere", manifest, "rte", "train", limit=1000)
    (lane,) = make_lanes(7, "rte", sharded, [100])
    expected = BlockOrder(7, "rte", sharded.shard_rows, sharded.shard_bytes, 500)
    counters = np.arange(48)
    np.testing.assert_array_equal(lane.rows_at(counters), expected.rows_at(counters))
    first, second = make_lanes(7, "rte", sharded, [50, 50])
    assert sorted(first.rows_at(np.arange(12))) == list(range(12))
    assert sorted(second.rows_at(np.arange(12))) == list(range(12, 24))
    assert first.table.limit == second.table.limit == 500


@pytest.fixture(scope="module", params=[False, True], ids=["one to a record", "packed"])
def dataset(request, build_shards):
    """Two tasks in 25 shards of some eight rows, or fewer where they are packed."""
    return build_shards(TASKS, ["train=200"], 240, pack=request.param)[0]


def batches_of(folder, worker=None, share=1.0, **data):
    """The batches of a run that may have so much of what its splits need in memory."""
    manifest = load_manifest(folder)
    limit = int(share * sum(memory_needs(TASKS, manifest, "train").values()))
    config = RunConfig(
        dataset=str(folder),
        run="unused",
        data=DataConfig(batch_size=8, memory_limit=limit, mixture="equal", **data),
        training=TrainingConfig(steps=STEPS),
    )
    return make_batches(resolve(config, manifest), manifest, worker)


def files_of(folder, lanes, first, last):
    """The shards that hold the rows of some lanes."""
    manifest, found = load_manifest(folder), set()
    for task in TASKS:
        shards = manifest.task(task).split("train").shards
        parts = lane_rows(sum(shard.records for shard in shards), lanes)
        rows = range(parts[first].start, parts[last].stop)
        ends = np.cumsum([shard.records for shard in shards])
        found |= {
            shard.file
            for shard, end in zip(shards, ends.tolist(), strict=True)
            if end > rows.start and end - shard.records < rows.stop
        }
    return found


@pytest.mark.slow
@pytest.mark.parametrize("routing", ["batch", "example"])
@pytest.mark.parametrize(("share", "kind"), [(1.0, SplitPart), (0.5, ShardedSplit)])
def test_hosts_read_their_lanes_alone_and_make_the_batches_of_one(
    dataset, tmp_path, routing, share, kind
):
    """Each host has no other shards than its lanes'; from step 20 on there are more hosts."""
    settings = {"routing": routing, "share": share, "lanes": 4}
    whole = batches_of(dataset, **settings)
    expected = [whole.batch(number) for number in range(STEPS)]
    whole.close()
    for hosts, steps in ((2, range(20)), (4, range(20, STEPS))):
        for number in range(hosts):
            folder = tmp_path / f"{hosts}-{number}"
            shutil.copytree(dataset, folder)
            each = 4 // hosts
            kept = files_of(dataset, 4, number * each, (number + 1) * each - 1)
            others = files_of(dataset, 4, 0, 3) - kept
            assert len(kept) <= len(kept | others) / hosts + 2 * len(TASKS)
            for file in others:
                (folder / file).unlink()
            batches = batches_of(folder, Worker(number, hosts), **settings)
            assert {type(table) for table in batches.tables} == {kind}
            first, last = number * 8 // hosts, (number + 1) * 8 // hosts
            for step in steps:
                for key, value in batches.batch(step, first, last).items():
                    np.testing.assert_array_equal(value, expected[step][key][first:last])
            batches.close()
    with pytest.raises((ValueError, DataError), match=r"another host's|is missing"):
        [batches.batch(step, 0, 2) for step in range(STEPS)]
