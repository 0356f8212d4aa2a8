"""What is about to be trained, in a few lines."""

import dataclasses
import types
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runs.sections import AdapterConfig, DataConfig, TrainingConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun
from prep import PackingEntry, ShardEntry, SplitEntry, TokenTable
from prep.dataset.length_counts import write_length_counts
from prep.dataset.sharded_split import ShardedSplit
from trainer.batches.mixture_batches import MixtureBatches
from trainer.run.summary import (
    describe,
    report_idle_rates,
    report_left_out,
    report_random_backbone,
    report_unused,
)

SETTINGS = ResolvedRun(
    dataset="data",
    run="run",
    tasks=("a", "b"),
    seed=0,
    model=ResolvedModel(),
    adapters=AdapterConfig(),
    data=DataConfig(train_split="dev"),
    training=TrainingConfig(steps=4),
)


class Model:
    """A model of a hundred parameters, ten of which train."""

    shapes = (tf.TensorShape([10, 9]), tf.TensorShape([10]))
    variables = tuple(types.SimpleNamespace(shape=shape) for shape in shapes)
    backbone = types.SimpleNamespace(
        config=types.SimpleNamespace(
            num_layers=2, num_decoder_layers=1, num_heads=4, vocab_size=1000
        ),
    )

    def count_trainable(self):
        return 10


def table_of(examples, packs=None):
    return TokenTable(
        inputs=np.ones(examples, np.uint16),
        input_offsets=np.arange(examples + 1),
        targets=np.ones(examples, np.uint16),
        target_offsets=np.arange(examples + 1),
        labels=np.zeros(examples, np.int32),
        examples=np.arange(examples),
        pack_offsets=packs,
    )


def batches_of(tables, schedule, draws=1, lanes=1):
    return MixtureBatches(
        tables,
        np.array(schedule, np.int32),
        batch_size=8,
        input_length=4,
        target_length=4,
        seed=0,
        draws=draws,
        lanes=lanes,
    )


def entry_of(table):
    """What the manifest says of a table."""
    inputs, targets = (np.diff(one) for one in (table.input_offsets, table.target_offsets))
    shards = (ShardEntry("gone", table.rows, 0, "", int(inputs.sum()), int(targets.sum())),)
    lengths = (write_length_counts(Counter(one.tolist())) for one in (inputs, targets))
    packing = PackingEntry(4, 4, 0, table.rows) if table.is_packed else None
    longest = (int(one.max()) for one in (inputs, targets))
    empty = SplitEntry(len(table), shards, 0, 0, *longest, (), 0, {}, packing=packing)
    return dataclasses.replace(empty, input_lengths=next(lengths), target_lengths=next(lengths))


def lines(batches, first=0, splits=None):
    tables = dict(zip(batches.names, batches.tables, strict=True))
    told = splits or {}
    splits = {name: told.get(name) or entry_of(table) for name, table in tables.items()}
    tasks = {
        name: types.SimpleNamespace(split=lambda _, entry=entry: entry)
        for name, entry in splits.items()
    }
    manifest = types.SimpleNamespace(task=tasks.get)
    strategy = tf.distribute.get_strategy()
    return describe(SETTINGS, manifest, Model(), batches, strategy, first).splitlines()


def test_tasks_with_their_share_of_the_batches():
    batches = batches_of({"a": table_of(12), "b": table_of(32)}, [0, 0, 0, 1])
    assert lines(batches) == [
        "batches of 8 × 4 input and 4 target tokens, 75% padding (the longest example has 1 and "
        "1); a step holds at least 0.1 MB of activations",
        "a: 12 examples, 3 of 4 batches, 2.00 epochs",
        "b: 32 examples, 1 of 4 batches, 0.25 epochs",
        "10 of 100 parameters train (10.00%), 1 replica",
    ]


def test_tasks_with_shapes_of_their_own():
    """Of four batches, whose rows have two tokens each, three have 2 positions a row, one has 8."""
    batches = batches_of({"a": table_of(12), "b": table_of(32)}, [0, 0, 0, 1])
    batches.shapes = [(1, 1), (4, 4)]
    assert lines(batches)[:5] == [
        "batches of 8 in 2 shapes, 43% padding (it would be 75% with 4 input and 4 target tokens "
        "for all; the longest example has 1 and 1); a step holds at least 0.1 MB of activations",
        "1 and 1 tokens: 75% of batches, 100% real (a)",
        "4 and 4 tokens: 25% of batches, 25% real (b)",
        "a: 12 examples, 3 of 4 batches, 2.00 epochs, 1 and 1 tokens",
        "b: 32 examples, 1 of 4 batches, 0.25 epochs, 4 and 4 tokens",
    ]


def test_a_task_that_never_comes_up_is_listed():
    batches = batches_of({"a": table_of(12), "b": table_of(32)}, [0, 0, 0, 0])
    assert lines(batches)[2] == "b: 32 examples, 0 of 4 batches, 0.00 epochs"


def test_where_batches_mix_tasks_rows_are_counted():
    batches = batches_of({"a": table_of(16), "b": table_of(16)}, [0, 1] * 16, draws=8)
    assert lines(batches)[1] == "a: 16 examples, 16 of 32 rows, 1.00 epochs"


def test_packed_rows_are_counted_beside_their_examples():
    packs = np.array([0, 3, 6])
    batches = batches_of({"a": table_of(6, packs)}, [0, 0, 0, 0])
    assert lines(batches)[1] == "a: 6 examples in 2 packed rows, 4 of 4 batches, 16.00 epochs"


def test_examples_that_are_cut_are_counted():
    offsets = np.array([0, 3, 8, 13])
    long = dataclasses.replace(table_of(3), inputs=np.ones(13, np.uint16), input_offsets=offsets)
    said = lines(batches_of({"a": long, "b": table_of(4)}, [0, 0, 0, 0]))
    assert said[1] == "a: 3 examples, 4 of 4 batches, 10.67 epochs, 2 inputs cut to 4 tokens"
    assert said[3].startswith("note: a: most inputs are cut to 4 tokens; --data.input_length 5 ")
    assert not said[4].startswith("note: b")


def test_a_few_inputs_that_are_cut_are_no_warning():
    offsets = np.array([0, 5, 6, 7])
    one = dataclasses.replace(table_of(3), inputs=np.ones(7, np.uint16), input_offsets=offsets)
    said = lines(batches_of({"a": one}, [0, 0, 0, 0]))
    assert said[1].endswith(", 1 inputs cut to 4 tokens") and "note" not in said[2]


def test_of_a_split_in_shards_the_manifest_tells_and_nothing_is_read():
    shards = tuple(ShardEntry("gone", 8, 0, "", 8 * tokens, 8) for tokens in (1, 3, 6, 2))
    split = SplitEntry(32, shards, 0, 0, 6, 1, (), 0, {})
    task = types.SimpleNamespace(split=lambda name: split)
    vocabulary = types.SimpleNamespace(size=1000)
    manifest = types.SimpleNamespace(vocabulary=vocabulary, task=lambda name: task)
    sharded = ShardedSplit("nowhere", manifest, "b", "train", limit=1320)
    # Rows of 8 positions: three have 2 tokens each, and that of b 3 + 1, if none were cut.
    # Windows of 660 bytes, shards of 272 to 352.
    batches = batches_of({"a": table_of(16), "b": sharded}, [0, 0, 0, 1])
    said = lines(batches, splits={"b": split})
    assert said[0].startswith(
        "batches of 8 × 4 input and 4 target tokens, at least 69% padding (the longest example has "
        "6 and 1)"
    )
    assert said[2] == (
        "b: 32 examples, 1 of 4 batches, 0.25 epochs, inputs of more than 4 tokens are cut (the "
        "longest has 6), an epoch in 2 windows of 2 shards at most"
    )
    # With lengths, cut inputs have 1, 3, 4 and 2 tokens: 2.5 of them, and 1, in 8 positions.
    counted = dataclasses.replace(split, input_lengths="1:8 2:8 3:8 6:8", target_lengths="1:32")
    task.split = lambda name: counted
    sharded = ShardedSplit("nowhere", manifest, "b", "train", limit=1320)
    batches = batches_of({"a": table_of(16), "b": sharded}, [0, 0, 0, 1])
    said = lines(batches, splits={"b": counted})
    assert ", 70% padding (" in said[0] and ", 8 inputs cut to 4 tokens, an epoch in " in said[2]
    assert sharded.shards.readings == 0


def test_lanes_are_said_with_their_shards():
    """Of 28 rows in four shards, two lanes have 14 each: the first 8 + 6, the second 2 + 8 + 4."""
    shards = tuple(ShardEntry("gone", rows, 0, "", rows, rows) for rows in (8, 8, 8, 4))
    split = SplitEntry(28, shards, 0, 0, 1, 1, (), 0, {})
    task = types.SimpleNamespace(split=lambda name: split)
    vocabulary = types.SimpleNamespace(size=1000)
    manifest = types.SimpleNamespace(vocabulary=vocabulary, task=lambda name: task)
    sharded = ShardedSplit("nowhere", manifest, "b", "train", limit=1000)
    told = {"b": split}
    said = lines(batches_of({"b": sharded}, [0] * 4, lanes=2), splits=told)[1]
    # A lane's windows are of 250 bytes, and its largest shards of 240.
    assert said.endswith(
        ", in 2 lanes of 3 shards at most, an epoch of each in 3 windows of 1 shard at most"
    )
    said = lines(batches_of({"b": table_of(28)}, [0] * 4, lanes=8), splits=told)[1]
    assert said.endswith(", in 8 lanes of 2 shards at most, of 4 shards in all, which several read")


def test_where_it_goes_on_from_is_said():
    batches = batches_of({"a": table_of(12)}, [0, 0, 0, 0])
    assert lines(batches, first=3)[-1] == "going on from step 3"
    said = lines(batches, first=4)[-1]
    assert said == "going on from step 4, the last: nothing is left to train"


def test_tasks_that_are_left_out_are_named():
    said = []
    manifest = types.SimpleNamespace(tasks={"a": 0, "x": 0, "b": 0, "y": 0}, failed={})
    report_left_out(SETTINGS, manifest, said.append)
    assert said == ["without a split 'dev': x, y"]
    manifest = types.SimpleNamespace(tasks={"b": 0, "a": 0}, failed={})
    report_left_out(SETTINGS, manifest, said.append)
    assert len(said) == 1
    manifest.failed["c"] = "no rows"
    report_left_out(SETTINGS, manifest, said.append)
    assert said[1:] == ["not in the dataset: c, which could not be built: no rows"]


def manifest_of(**splits):
    tasks = {name: types.SimpleNamespace(splits=dict.fromkeys(of)) for name, of in splits.items()}
    return types.SimpleNamespace(tasks=tasks, task=tasks.get)


def test_what_has_no_effect_is_said():
    said = []
    report_unused(SETTINGS, manifest_of(a=("dev", "validation"), b=("validation",)), said.append)
    assert said == []
    report_unused(SETTINGS, manifest_of(a=("dev",), b=("dev", "validation")), said.append)
    assert said == [
        "note: without a split 'validation': a; which step is best, the other tasks decide"
    ]
    said.clear()
    manifest = manifest_of(a=("dev",), b=("dev", "validation"))
    report_unused(SETTINGS, manifest, said.append, by_task=True)
    assert said == [
        "note: without a split 'validation': a; what is kept of them is of the last validation's "
        "step"
    ]
    said.clear()
    adapters = AdapterConfig("lora", {"lora": {"rank": 2}, "houlsby": {}, "prompt": {}})
    training = dataclasses.replace(SETTINGS.training, patience=2)
    settings = dataclasses.replace(SETTINGS, adapters=adapters, training=training)
    report_unused(settings, manifest_of(a=("dev",), b=("dev",)), said.append)
    assert said == [
        "note: adapters.settings of houlsby, prompt are not used: adapters.method is 'lora'",
        "note: no task has a split 'validation': nothing is validated, and the last step's weights"
        " are taken; training.patience has no effect",
    ]


@pytest.mark.parametrize(
    ("backbone", "method", "is_warned"),
    [
        ("t5-small", "lora", True),
        ("t5-tiny", "hyperformer++", True),
        ("t5-small", "none", False),
        ("google-t5/t5-small", "lora", False),
    ],
)
def test_adapters_on_random_weights_are_warned_of(backbone, method, is_warned):
    said = []
    settings = dataclasses.replace(
        SETTINGS,
        model=dataclasses.replace(SETTINGS.model, backbone=backbone),
        adapters=AdapterConfig(method),
    )
    report_random_backbone(settings, said.append)
    assert [f"{backbone} is a preset, of random weights" in one for one in said] == [
        True
    ] * is_warned


def test_rates_of_what_does_not_train_are_noted(monkeypatch):
    monkeypatch.setattr("trainer.run.summary.group_by_variable", lambda model: str)
    optimizer = dataclasses.replace(SETTINGS.optimizer, rates={"bank": 2.0, "heads": 4.0})
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    said = []
    model = types.SimpleNamespace(trainable_variables=["bank", "norms"])
    report_idle_rates(settings, model, said.append)
    assert said == ["note: optimizer.rates of heads are not used: nothing of it trains"]
