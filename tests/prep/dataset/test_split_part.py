"""A part of a split in memory: its rows are the split's, its figures those of the whole."""

import numpy as np
import pytest

from prep import DataError, get_task
from prep.build.dataset import build_dataset
from prep.dataset.reading import read_split
from prep.dataset.split_part import SplitPart, shards_of

TASK = "synthetic_choice"


def test_the_shards_of_rows():
    records = np.array([4, 0, 4, 2])
    assert shards_of(records, range(4, 8)) == range(2, 3)
    assert shards_of(records, range(3, 9)) == range(4)
    assert shards_of(records, range(1)) == range(1)


@pytest.mark.parametrize("is_packed", [False, True])
def test_no_other_shard_is_read(rte_options, is_packed):
    chosen = rte_options(
        tasks=(get_task(TASK),), pack=is_packed, max_input_length=128, shard_records=100
    )
    folder, manifest = chosen.out, build_dataset(chosen)
    whole = read_split(folder, manifest, TASK, "train")
    shards = manifest.task(TASK).split("train").shards
    first = shards[0].records
    rows = range(first + 1, first + shards[1].records + 1)  # the first row of shard 2 is the last
    for shard in (shards[0], *shards[3:]):
        (folder / shard.file).unlink()
    part = SplitPart(folder, manifest, TASK, "train", rows)
    assert (len(part), part.rows, part.tokens) == (len(whole), whole.rows, whole.tokens)
    assert (part.longest, part.is_packed, part.held) == (whole.longest, is_packed, rows)
    assert part.first == first
    starts = [np.arange(whole.rows + 1), whole.pack_offsets][is_packed][[first, first + 5]]
    inside = [np.arange(part.table.rows + 1), part.table.pack_offsets][is_packed][[0, 5]]
    np.testing.assert_array_equal(
        part.table.examples[slice(*inside)], whole.examples[slice(*starts)]
    )
    with pytest.raises(DataError, match="is missing"):
        SplitPart(folder, manifest, TASK, "train", range(first))
