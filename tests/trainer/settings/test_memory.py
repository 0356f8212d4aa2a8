"""What the training splits may take of memory."""

import types

import numpy as np
import pytest

from prep import SplitEntry, UsageError
from prep.dataset.entries import ShardEntry
from trainer.settings.config import DataConfig
from trainer.settings.memory import (
    check_limit,
    machine_memory,
    memory_needs,
    parse_limit,
    resolve_limit,
    share_limit,
)


def manifest_of(**shards):
    """Tasks of shards of a hundred examples, whose tokens are given."""
    tasks = {}
    for name, tokens in shards.items():
        entries = tuple(ShardEntry("", 100, 0, "", each, 0) for each in tokens)
        split = SplitEntry(100 * len(tokens), entries, 0, 0, 9, 9, (), 0, {})
        tasks[name] = types.SimpleNamespace(split=lambda name, split=split: split)
    return types.SimpleNamespace(vocabulary=types.SimpleNamespace(size=32_100), task=tasks.get)


MANIFEST = manifest_of(large=[4000] * 10, small=[1000])
NEEDS = {"large": 10 * (2 * 4000 + 2816), "small": 2 * 1000 + 2816}
TASKS = ("large", "small")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (2048, 2048),
        ("2048", 2048),
        ("2GB", 2_000_000_000),
        ("1.5 gb", 1_500_000_000),
        ("512MiB", 512 << 20),
        ("64 kB", 64_000),
    ],
)
def test_sizes_as_people_write_them(text, size):
    assert parse_limit(text) == size


@pytest.mark.parametrize("text", ["2 gigs", "", "GB", 0, -1, "-2GB", "0.0001kB", "half", "25%"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match=r"data\.memory_limit is .*; expected bytes, a size such"):
        parse_limit(text)


def test_a_quarter_of_the_machine_is_the_default():
    assert DataConfig().memory_limit == "auto"
    assert parse_limit("auto") == machine_memory() // 4
    assert 1 << 28 < machine_memory() < 1 << 50


def test_the_limit_counts_where_all_splits_together_need_more():
    assert memory_needs(TASKS, MANIFEST, "train") == NEEDS
    need = sum(NEEDS.values())
    for limit, resolved in ((need, 0), (need - 1, need - 1), ("auto", 0), ("50kB", 50_000)):
        assert resolve_limit(DataConfig(memory_limit=limit), TASKS, MANIFEST) == resolved


def test_what_small_tasks_leave_the_others_get():
    needs = {"a": 1000, "b": 10, "c": 300, "d": 5000}
    assert share_limit(0, needs) == needs
    assert share_limit(1000, needs) == {"a": 345, "b": 10, "c": 300, "d": 345}
    assert share_limit(90, needs) == {"a": 27, "b": 10, "c": 26, "d": 27}
    assert share_limit(10_000, needs) == needs


def test_a_limit_below_two_shards_is_refused_with_one_that_would_do():
    with pytest.raises(UsageError, match="of which large gets 10,184 and needs 21,632") as error:
        check_limit(DataConfig(memory_limit=15_000), TASKS, MANIFEST)
    assert str(error.value).endswith("43,264 do for all tasks")
    for limit in (43_264, 0, "auto"):
        check_limit(DataConfig(memory_limit=limit), TASKS, MANIFEST)
    with pytest.raises(UsageError, match="for two of its largest shards for each of 2 lanes"):
        check_limit(DataConfig(memory_limit=43_264, lanes=2), TASKS, MANIFEST)
    random = np.random.default_rng(0)
    for _ in range(50):  # what it names does, whatever the tasks
        tokens = {f"t{n}": random.integers(1, 9000, random.integers(1, 9)) for n in range(4)}
        manifest = manifest_of(**tokens)
        with pytest.raises(UsageError) as error:
            check_limit(DataConfig(memory_limit=1000), tuple(tokens), manifest)
        named = int(str(error.value).rsplit("; ", 1)[1].split()[0].replace(",", ""))
        check_limit(DataConfig(memory_limit=named), tuple(tokens), manifest)
