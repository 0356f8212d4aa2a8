"""Batches by number: whole epochs, one task each, the same from any start and on any replicas."""

import dataclasses

import numpy as np
import pytest

from prep import TokenTable, UsageError
from trainer.batches.distribution import distribute
from trainer.batches.mixture_batches import MixtureBatches


def make_table(size, first_token):
    """Examples of one to three tokens whose first token tells the example."""
    lengths = 1 + np.arange(size) % 3
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.repeat(first_token + np.arange(size), lengths).astype(np.uint16)
    labels, examples = np.full(size, -1, np.int32), np.arange(size)
    return TokenTable(tokens, offsets, tokens, offsets, labels, examples)


def pack_table(table):
    """Two examples to a row, the last row with one if there is an odd one."""
    offsets = np.append(np.arange(0, len(table), 2), len(table))
    return dataclasses.replace(table, pack_offsets=offsets)


def rows_of(batches, number):
    """The rows of a batch of one task."""
    ((places, rows),) = batches.rows(number).values()
    np.testing.assert_array_equal(places, np.arange(len(rows)))
    return rows


def make_batches(schedule, seed=0, batch_size=8, pack=False, draws=1, shapes=None, scales=None):
    tables = {"small": make_table(10, 100), "large": make_table(37, 200)}
    if pack:
        tables = {name: pack_table(table) for name, table in tables.items()}
    return MixtureBatches(
        tables,
        np.asarray(schedule, np.int32),
        batch_size=batch_size,
        input_length=5,
        target_length=5,
        seed=seed,
        shapes=shapes,
        draws=draws,
        scales=scales,
    )


def test_a_mixed_batch_weighs_its_tasks():
    schedule = [0, 1, 1, 0] * 4
    plain, scaled = (make_batches(schedule, draws=8, scales=s) for s in (None, {"large": 0.25}))
    for number in range(2):
        one, other = plain.batch(number), scaled.batch(number)
        of_large = (one["task"] == 1)[:, None]
        expected = one["decoder_loss_weights"] * np.where(of_large, np.float32(0.25), 1)
        np.testing.assert_array_equal(other.pop("decoder_loss_weights"), expected)
        for key, value in other.items():
            np.testing.assert_array_equal(value, one[key])


def test_every_epoch_visits_each_example_once_in_another_order():
    schedule = np.array([0, 1] * 20)
    batches = make_batches(schedule)
    rows = np.concatenate([rows_of(batches, n) for n in range(40) if schedule[n] == 0])
    epochs = rows.reshape(-1, 10)
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_a_batch_depends_on_its_number_alone():
    schedule = [0, 1, 1, 0, 1, 0, 1, 1]
    forward = [rows_of(make_batches(schedule), n) for n in range(8)]
    backward = make_batches(schedule)
    for number in reversed(range(8)):
        np.testing.assert_array_equal(rows_of(backward, number), forward[number])
    other_seed = make_batches(schedule, seed=1)
    assert any(np.any(rows_of(other_seed, n) != forward[n]) for n in range(8))


def test_no_batch_holds_two_tasks():
    schedule = np.array([0, 1, 1, 0, 1, 0])
    batches = make_batches(schedule)
    for number, task in enumerate(schedule):
        batch = batches.batch(number)
        assert set(batch["task"]) == {task}
        first_tokens = batch["encoder_input_tokens"][:, 0]
        assert np.all((first_tokens >= 200) == (task == 1))


@pytest.mark.parametrize("first_step", [0, 2, 5])
def test_each_shape_has_its_batches_in_order(first_step, four_replicas):
    schedule = [0, 1, 1, 0, 1, 1]
    batches = make_batches(schedule, shapes={"small": (3, 2), "large": (5, 5)})
    sources = distribute(batches, four_replicas, first_step)
    to_come = [batches.shape(number) for number in range(first_step, 6)]
    assert set(sources) == set(to_come)  # the smaller one comes up no more after step 3
    iterators = {shape: iter(source) for shape, source in sources.items()}
    for number, shape in enumerate(to_come, first_step):
        assert shape == [(3, 2), (5, 5)][schedule[number]]
        element, expected = next(iterators[shape]), batches.batch(number)
        for key, value in expected.items():
            parts = four_replicas.experimental_local_results(element[key])
            np.testing.assert_array_equal(np.concatenate([p.numpy() for p in parts]), value)
        assert expected["encoder_input_tokens"].shape == (8, shape[0])
        assert expected["decoder_target_tokens"].shape == (8, shape[1])
    assert all(next(iterator, None) is None for iterator in iterators.values())


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("first_step", [0, 3])
def test_replicas_share_the_global_batch_in_order(replicas, first_step, pack, four_replicas):
    import tensorflow as tf

    strategy = four_replicas if replicas == 4 else tf.distribute.get_strategy()
    batches = make_batches([0, 1, 1, 0, 1, 0], pack=pack)
    seen = []
    ((shape, source),) = distribute(batches, strategy, first_step).items()
    assert shape == (5, 5)
    for element in source:
        parts = {key: strategy.experimental_local_results(value) for key, value in element.items()}
        seen.append({key: np.concatenate([p.numpy() for p in part]) for key, part in parts.items()})
    assert len(seen) == 6 - first_step
    for number, batch in enumerate(seen, first_step):
        expected = batches.batch(number)
        assert batch.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(batch[key], value)
            assert batch[key].dtype == value.dtype


@pytest.mark.parametrize("pack", [False, True])
def test_mixed_batches_take_each_row_from_its_own_task(pack):
    schedule = np.random.default_rng(0).integers(0, 2, 40)
    batches = make_batches(schedule, pack=pack, draws=8)
    assert batches.steps == 5
    for number in range(5):
        batch = batches.batch(number)
        np.testing.assert_array_equal(batch["task"], schedule[number * 8 : number * 8 + 8])
        is_large = batch["encoder_input_tokens"][:, 0] >= 200
        np.testing.assert_array_equal(is_large, batch["task"] == 1)
        parts = [batches.batch(number, first, first + 2) for first in range(0, 8, 2)]
        for key, value in batch.items():
            np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), value)


def test_mixed_batches_visit_each_row_once_an_epoch():
    batches = make_batches(np.zeros(40, np.int32), draws=8)
    rows = np.concatenate([rows_of(batches, number) for number in range(5)])
    for epoch in rows.reshape(4, 10):
        assert sorted(epoch) == list(range(10))


def test_an_epoch_of_packed_rows_visits_each_row_once():
    schedule = np.ones(19, np.int32)
    batches = make_batches(schedule, batch_size=2, pack=True)
    rows = np.concatenate([rows_of(batches, number) for number in range(19)])
    for epoch in rows.reshape(2, 19):  # 37 examples in 19 rows
        assert sorted(epoch) == list(range(19))


def test_packed_batches_have_segments_and_static_shapes():
    batches = make_batches([1, 0], pack=True)
    for number in range(2):
        batch = batches.batch(number)
        assert batch["encoder_segment_ids"].shape == (8, 5)
        assert batch["decoder_segment_ids"].shape == (8, 5)
        assert set(batch["decoder_segment_ids"][:, 0]) == {1}
        is_token = batch["decoder_segment_ids"] > 0
        np.testing.assert_array_equal(batch["decoder_loss_weights"] > 0, is_token)
        np.testing.assert_array_equal(batch["encoder_input_tokens"] > 0, is_token)


def test_packed_and_single_rows_do_not_mix():
    tables = {"a": make_table(4, 10), "b": pack_table(make_table(4, 10))}
    schedule = np.zeros(1, np.int32)
    with pytest.raises(UsageError, match="b are packed and the other tasks are not"):
        MixtureBatches(tables, schedule, batch_size=2, input_length=9, target_length=9, seed=0)
