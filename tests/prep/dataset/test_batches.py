import dataclasses

import numpy as np
import pytest

from prep.dataset.batches import make_batch, make_packed_batch
from prep.dataset.reading import TokenTable


@pytest.fixture
def table():
    """Inputs of 3, 1 and 6 tokens, targets of 1, 4 and 2."""
    return TokenTable(
        inputs=np.array([5, 6, 1, 1, 7, 8, 9, 10, 11, 1], np.uint16),
        input_offsets=np.array([0, 3, 4, 10]),
        targets=np.array([1, 20, 21, 22, 1, 30, 1], np.uint16),
        target_offsets=np.array([0, 1, 5, 7]),
        labels=np.array([-1, 0, 1], np.int32),
        examples=np.array([0, 1, 2]),
    )


def test_a_worked_batch(table):
    batch = make_batch(table, np.array([2, -1, 0]), input_length=4, target_length=3, task=7)
    assert batch["encoder_input_tokens"].tolist() == [[7, 8, 9, 1], [0, 0, 0, 0], [5, 6, 1, 0]]
    assert batch["decoder_target_tokens"].tolist() == [[30, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert batch["decoder_input_tokens"].tolist() == [[0, 30, 1], [0, 0, 0], [0, 1, 0]]
    assert batch["decoder_loss_weights"].tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert batch["task"].tolist() == [7, 7, 7]
    types = {name: str(array.dtype) for name, array in batch.items()}
    assert types.pop("decoder_loss_weights") == "float32"
    assert set(types.values()) == {"int32"}


def test_cutting_keeps_eos_last(table):
    batch = make_batch(table, np.array([1]), input_length=1, target_length=2, task=0)
    assert batch["decoder_target_tokens"].tolist() == [[20, 1]]
    assert batch["decoder_input_tokens"].tolist() == [[0, 20]]
    assert batch["decoder_loss_weights"].tolist() == [[1, 1]]
    assert batch["encoder_input_tokens"].tolist() == [[1]]


def test_rows_may_repeat_and_come_in_any_order(table):
    whole = make_batch(table, np.array([0, 1, 2]), input_length=6, target_length=4, task=0)
    mixed = make_batch(table, np.array([2, 0, 2]), input_length=6, target_length=4, task=0)
    for name, array in whole.items():
        assert (mixed[name] == array[[2, 0, 2]]).all()


def test_only_padding_rows(table):
    batch = make_batch(table, np.array([-1, -1]), input_length=3, target_length=2, task=1)
    assert not batch["encoder_input_tokens"].any()
    assert batch["decoder_loss_weights"].sum() == 0


def test_an_empty_table():
    nothing, zero = np.empty(0, np.uint16), np.zeros(1, np.int64)
    table = TokenTable(nothing, zero, nothing, zero, np.empty(0, np.int32), np.empty(0, np.int64))
    batch = make_batch(table, np.array([-1]), input_length=3, target_length=2, task=0)
    assert batch["encoder_input_tokens"].tolist() == [[0, 0, 0]]


def test_a_row_beyond_the_table_is_an_error(table):
    with pytest.raises(IndexError):
        make_batch(table, np.array([3]), input_length=3, target_length=2, task=0)


@pytest.fixture
def packed_table(table):
    """The same examples: the first two in one row, the third alone."""
    return dataclasses.replace(table, pack_offsets=np.array([0, 2, 3]))


def test_a_worked_packed_batch(packed_table):
    batch = make_packed_batch(
        packed_table, np.array([1, 0, -1]), input_length=7, target_length=6, task=3
    )
    assert batch["encoder_input_tokens"].tolist() == [
        [7, 8, 9, 10, 11, 1, 0],
        [5, 6, 1, 1, 0, 0, 0],
        [0] * 7,
    ]
    assert batch["encoder_segment_ids"].tolist() == [
        [1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 2, 0, 0, 0],
        [0] * 7,
    ]
    assert batch["decoder_target_tokens"].tolist() == [
        [30, 1, 0, 0, 0, 0],
        [1, 20, 21, 22, 1, 0],
        [0] * 6,
    ]
    assert batch["decoder_segment_ids"].tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 2, 2, 2, 2, 0],
        [0] * 6,
    ]
    # The second example begins with the start token, not with the first one's last.
    assert batch["decoder_input_tokens"][1].tolist() == [0, 0, 20, 21, 22, 0]
    assert batch["decoder_loss_weights"].tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [0] * 6,
    ]
    assert batch["task"].tolist() == [3, 3, 3]
    types = {name: str(array.dtype) for name, array in batch.items()}
    assert types.pop("decoder_loss_weights") == "float32"
    assert set(types.values()) == {"int32"}


def test_packed_rows_may_fill_the_batch_to_its_edge(packed_table):
    batch = make_packed_batch(
        packed_table, np.array([0, 1]), input_length=6, target_length=5, task=0
    )
    assert batch["encoder_segment_ids"].tolist() == [[1, 1, 1, 2, 0, 0], [1] * 6]
    assert batch["decoder_segment_ids"].tolist() == [[1, 2, 2, 2, 2], [1, 1, 0, 0, 0]]


def test_the_examples_of_a_packed_split_come_one_by_one_too(table, packed_table):
    options = {"input_length": 6, "target_length": 4, "task": 0}
    plain = make_batch(table, np.array([0, 1, 2]), **options)
    packed = make_batch(packed_table, np.array([0, 1, 2]), **options)
    assert plain.keys() == packed.keys()
    for name, array in plain.items():
        np.testing.assert_array_equal(packed[name], array)


def test_packed_rows_are_never_cut(packed_table):
    with pytest.raises(ValueError, match="inputs of a packed row have 6 tokens, the batch holds 5"):
        make_packed_batch(packed_table, np.array([1]), input_length=5, target_length=9, task=0)
    with pytest.raises(ValueError, match="targets of a packed row have 5 tokens"):
        make_packed_batch(packed_table, np.array([0]), input_length=6, target_length=4, task=0)


def test_a_split_that_is_not_packed_has_no_packed_rows(table):
    with pytest.raises(ValueError, match="not packed"):
        make_packed_batch(table, np.array([0]), input_length=9, target_length=9, task=0)


def test_a_row_beyond_the_packed_table_is_an_error(packed_table):
    with pytest.raises(IndexError):
        make_packed_batch(packed_table, np.array([2]), input_length=9, target_length=9, task=0)


def test_rows_and_heads_of_a_packed_table(table, packed_table):
    assert (table.rows, packed_table.rows, len(packed_table)) == (3, 2, 3)
    head = packed_table.head(1)
    assert (head.rows, len(head)) == (1, 1)
    assert head.input_ids(0).tolist() == [5, 6, 1]
