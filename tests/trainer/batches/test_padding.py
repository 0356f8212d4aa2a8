"""Real tokens of a row, by the manifest alone, against those of the batches."""

import dataclasses

import numpy as np
import pytest

from prep import PackingEntry, ShardEntry, SplitEntry, load_manifest, make_batch, read_split
from trainer.batches.padding import RowTokens, count_row_tokens, real_share

PACKED = PackingEntry(32, 8, 0, 10)
SPLIT = SplitEntry(
    4,
    (ShardEntry("", 1, 0, "", 9, 2), ShardEntry("", 3, 0, "", 11, 7)),
    0,
    0,
    9,
    4,
    (),
    0,
    {},
    input_lengths="3:1 4:2 9:1",
    target_lengths="1:1 2:2 4:1",
)


@pytest.mark.parametrize(
    ("shape", "tokens", "positions"),
    [
        ((16, 8), 20 + 9, 24),
        ((4, 2), 3 + 4 + 4 + 4 + 1 + 2 + 2 + 2, 6),
        ((4, 0, 0), 3 + 4 + 4 + 4, 4),  # a head reads no targets
        ((4, 0, 2), 3 + 4 + 4 + 4, 8),
    ],
)
def test_what_is_cut_counts_no_more(shape, tokens, positions):
    assert count_row_tokens(SPLIT, shape) == RowTokens(tokens / 4, positions, True)


def test_a_manifest_of_before_tells_the_most_there_can_be():
    before = dataclasses.replace(SPLIT, input_lengths="", target_lengths="")
    assert count_row_tokens(before, (16, 8)) == RowTokens(29 / 4, 24, True)
    assert count_row_tokens(before, (4, 8)) == RowTokens((16 + 9) / 4, 12, False)
    packed = dataclasses.replace(before, packing=PACKED)
    assert count_row_tokens(packed, (32, 8)) == RowTokens(29 / 4, 40, True)


@pytest.mark.parametrize("shape", [(32, 8), (13, 1)])
def test_it_is_what_batches_hold(small_dataset, shape):
    manifest, rows = load_manifest(small_dataset), []
    real = positions = 0
    for number, name in enumerate(manifest.tasks):
        table = read_split(small_dataset, manifest, name, "validation")
        S, T = shape
        batch = make_batch(table, np.arange(len(table)), input_length=S, target_length=T, task=0)
        for key in ("encoder_input_tokens", "decoder_target_tokens"):
            real += (number + 1) * np.count_nonzero(batch[key]) / len(table)
            positions += (number + 1) * batch[key].size / len(table)
        split = manifest.task(name).split("validation")
        rows.append((count_row_tokens(split, shape), number + 1))
    assert real_share(rows) == pytest.approx(real / positions)
