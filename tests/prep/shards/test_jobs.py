"""What came of a shard, as JSON and back."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from prep.shards.jobs import ShardResult, result_as_json, result_from_json

RESULT = ShardResult(
    job_index=3,
    rows=10,
    blank=1,
    dropped=Counter({"skip in line 3 of own.yaml": 1}),
    expanded=2,
    examples=9,
    records=5,
    fullest_targets=7,
    bytes=123,
    crc32c="00ff00ff",
    input_tokens=90,
    target_tokens=18,
    truncated=1,
    truncated_targets=0,
    longest_input=20,
    longest_target=2,
    input_lengths=Counter({10: 8, 20: 1}),
    target_lengths=Counter({2: 9}),
    unknown_input_tokens=3,
    unknown_target_tokens=2,
    lossy_inputs=1,
    lossy_targets=1,
    labels=Counter({-1: 2, 0: 3, 1: 4}),
    rejected=Counter({"empty field": 1, "größe": 2}),
    fingerprints=np.array([0, 1, 2**64 - 1], np.uint64),
)


def test_nothing_is_lost_on_the_way():
    back = result_from_json(json.loads(json.dumps(result_as_json(RESULT))))
    np.testing.assert_array_equal(back.fingerprints, RESULT.fingerprints)
    assert back.fingerprints.dtype == np.uint64
    for field in dataclasses.fields(ShardResult):
        if field.name != "fingerprints":
            assert getattr(back, field.name) == getattr(RESULT, field.name), field.name
    assert isinstance(back.input_lengths, Counter)
    assert isinstance(back.labels, Counter) and isinstance(back.rejected, Counter)


def test_an_empty_shard_comes_back_too():
    empty = dataclasses.replace(
        RESULT, labels=Counter(), rejected=Counter(), fingerprints=np.zeros(0, np.uint64)
    )
    back = result_from_json(json.loads(json.dumps(result_as_json(empty))))
    assert back.labels == Counter() and back.fingerprints.shape == (0,)


def test_a_figure_that_is_missing_is_an_error():
    values = result_as_json(RESULT)
    del values["crc32c"]
    with pytest.raises(TypeError, match="crc32c"):
        result_from_json(values)
