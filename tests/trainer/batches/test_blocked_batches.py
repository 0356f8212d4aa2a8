"""Batches of splits that are not in memory as a whole: a dataset of ten times the limit."""

import dataclasses

import numpy as np
import pytest

from prep import load_manifest, read_split
from prep.dataset.sharded_split import ShardedSplit
from trainer.batches.distribution import make_dataset
from trainer.batches.mixture_batches import MixtureBatches
from trainer.parts import make_batches
from trainer.settings.checks import check_run
from trainer.settings.config import DataConfig, RunConfig, TrainingConfig
from trainer.settings.memory import memory_needs
from trainer.settings.resolving import resolve

pytestmark = pytest.mark.slow

TASKS = ("synthetic_entailment", "synthetic_choice")


@pytest.fixture(scope="module", params=[False, True], ids=["one to a record", "packed"])
def dataset(request, build_shards):
    """Two tasks in fifty shards each, or some fewer where they are packed."""
    return build_shards(TASKS, ["train=400"], 8, pack=request.param)[0]


def settings_for(dataset, steps=64, share=0.1, **data):
    """A run whose training splits may take a tenth of what they need."""
    manifest = load_manifest(dataset)
    limit = int(share * sum(memory_needs(TASKS, manifest, "train").values()))
    config = RunConfig(
        dataset=str(dataset),
        run="unused",
        data=DataConfig(**{"batch_size": 8, "memory_limit": limit, **data}),
        training=TrainingConfig(steps=steps, tasks_per_step=1),
    )
    settings = resolve(config, manifest)
    check_run(settings, manifest)
    return settings, manifest, limit


def open_batches(dataset, **settings):
    found = settings_for(dataset, **settings)
    return make_batches(*found[:2]), found[2]


def held(batches):
    """What the readers of all tasks held at most, in bytes."""
    return sum(
        table.shards.most_held if isinstance(table, ShardedSplit) else table.nbytes
        for table in batches.tables
    )


def test_an_epoch_has_each_example_once_in_a_tenth_of_the_memory(dataset):
    batches, limit = open_batches(dataset, steps=250, mixture="equal")
    counts = np.bincount(batches.schedule)
    seen = [[] for _ in TASKS]
    for number, task in enumerate(batches.schedule):
        if len(seen[task]) * 8 < 2 * batches.tables[task].rows:
            batch = batches.batch(number)
            seen[task].append(batch["encoder_input_tokens"])
    for name, table, arrays, count in zip(TASKS, batches.tables, seen, counts, strict=True):
        assert isinstance(table, ShardedSplit) and count * 8 > 2 * table.rows
        rows = [tuple(row) for row in np.concatenate(arrays)]
        expected = rows_of_whole(dataset, name)
        for epoch in range(2):
            found = rows[epoch * table.rows : (epoch + 1) * table.rows]
            assert sorted(found) == expected
        # Once an epoch, and of a third one what was read ahead.
        assert table.shards.readings <= 2.7 * len(table.shard_rows)
    assert held(batches) <= 1.02 * limit
    batches.close()


def rows_of_whole(dataset, task):
    """The rows of a split as batches have them, sorted."""
    settings, manifest, _ = settings_for(dataset)
    whole = dataclasses.replace(
        settings, tasks=(task,), data=dataclasses.replace(settings.data, memory_limit=0)
    )
    rows = read_split(dataset, manifest, task, "train").rows
    steps = -(-rows // 8)
    training = dataclasses.replace(settings.training, steps=steps)
    batches = make_batches(dataclasses.replace(whole, training=training), manifest)
    arrays = [batches.batch(number)["encoder_input_tokens"] for number in range(steps)]
    return sorted(map(tuple, np.concatenate(arrays)[:rows]))


@pytest.mark.parametrize("routing", ["batch", "example"])
def test_a_batch_depends_on_its_number_alone(dataset, routing):
    forward, _ = open_batches(dataset, routing=routing)
    expected = [forward.batch(number) for number in range(64)]
    for start in (63, 40, 1):  # as a run that was stopped goes on, with nothing kept
        resumed, limit = open_batches(dataset, routing=routing)
        for number in range(start, 64):
            for key, value in resumed.batch(number).items():
                np.testing.assert_array_equal(value, expected[number][key])
        assert held(resumed) <= 1.02 * limit
        resumed.close()
    forward.close()
    parts = [forward.batch(50, first, first + 2) for first in (0, 2, 4, 6)]
    for key, value in expected[50].items():
        np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), value)


def test_an_epoch_reads_each_shard_once_and_nothing_that_comes_up_no_more(dataset):
    found, _ = open_batches(dataset)
    split = found.tables[0]
    batches = MixtureBatches(
        {TASKS[0]: split},
        np.zeros(split.rows // 8, np.int32),
        batch_size=8,
        input_length=found.input_length,
        target_length=found.target_length,
        seed=0,
    )
    for number in range(batches.steps):
        batches.batch(number)
    batches.close()
    assert split.shards.readings <= len(split.shard_rows)


def test_tensorflow_gets_the_same(dataset):
    batches, _ = open_batches(dataset, steps=12)
    shape = batches.input_length, batches.target_length
    elements = list(make_dataset(batches, 4, range(2), 3, shape))
    assert len(elements) == 2 * 9
    for number in range(3, 12):
        pair = elements[2 * (number - 3) : 2 * (number - 3) + 2]
        for key, value in batches.batch(number).items():
            np.testing.assert_array_equal(np.concatenate([one[key] for one in pair]), value)
    batches.close()


def test_the_first_batch_reads_what_it_needs_and_not_the_split(dataset):
    batches, _ = open_batches(dataset, share=0.9, mixture="equal")
    for table in batches.tables:
        if isinstance(table, ShardedSplit):
            table.close()  # so that nothing is read ahead
    first = next(
        n for n in range(64) if isinstance(batches.tables[batches.schedule[n]], ShardedSplit)
    )
    batches.batch(first)
    assert 1 <= batches.tables[batches.schedule[first]].shards.readings <= 8


def test_within_the_limit_the_order_is_todays(dataset):
    """That of a run without a limit; of a task that has room, also where others have none."""
    unlimited, _ = open_batches(dataset, share=1.0)
    automatic, _ = open_batches(dataset, memory_limit="auto")
    for number in range(64):
        for key, value in unlimited.batch(number).items():
            np.testing.assert_array_equal(automatic.batch(number)[key], value)
    needs = memory_needs(TASKS, load_manifest(dataset), "train")
    larger, smaller = sorted(range(2), key=lambda n: -needs[TASKS[n]])
    share = 2.2 * needs[TASKS[smaller]] / sum(needs.values())
    if share < 0.98:  # else both have room
        partly, _ = open_batches(dataset, share=share)
        assert isinstance(partly.tables[larger], ShardedSplit)
        for number in np.flatnonzero(partly.schedule[:64] == smaller).tolist():
            for key, value in unlimited.batch(number).items():
                np.testing.assert_array_equal(partly.batch(number)[key], value)
        partly.close()
