"""One shard made by one worker: what is in the file, and what is told of it."""

import dataclasses
import gc
from collections import Counter

import google_crc32c
import numpy as np
import pytest

from prep.errors import DataError
from prep.records.framing import split_records
from prep.records.parsing import parse_records
from prep.shards.jobs import EncodingSettings, ShardJob
from prep.shards.writer import ShardWriter
from prep.sources.blocks import Block
from prep.tasks import get_task
from prep.tokens.vocabulary import Vocabulary

ROWS = [
    {"sentence1": "a man", "sentence2": "the cat", "label": "entailment"},
    {"sentence1": "a man plays a flute", "sentence2": "x y z", "label": "not_entailment"},
    {"sentence1": "", "sentence2": "x", "label": "entailment"},
]


@pytest.fixture
def settings(small_vocabulary):
    return EncodingSettings(str(small_vocabulary), max_input_length=64, max_target_length=16)


@pytest.fixture
def job(tmp_path):
    def make(task=None, rows=ROWS, split="train"):
        block = Block("train.tsv", 2, 0, len(rows), (), None, rows)
        path, rejected = tmp_path / "x.tfrecord", tmp_path / "x.rejected.jsonl"
        return ShardJob(task or get_task("rte"), split, 5, block, 100, None, path, rejected)

    return make


def columns_of(path, is_packed=False):
    records = split_records(path.read_bytes(), path.name)
    (columns,) = parse_records(records, path.name, np.uint16, is_packed)
    return columns


def test_a_shard_is_what_is_told_of_it(settings, job, small_vocabulary):
    result = ShardWriter(settings).write(job())
    columns = columns_of(job().path)
    vocabulary = Vocabulary(small_vocabulary)
    texts = [
        "rte sentence1: a man sentence2: the cat",
        "rte sentence1: a man plays a flute sentence2: x y z",
    ]
    expected = [[*vocabulary.encode(text), 1] for text in texts]
    assert columns["inputs"].tolist() == expected[0] + expected[1]
    assert columns["labels"].tolist() == [0, 1]
    assert columns["examples"].tolist() == [100, 101]
    content = job().path.read_bytes()
    assert (result.bytes, result.crc32c) == (len(content), f"{google_crc32c.value(content):08x}")
    assert result.job_index == 5
    assert (result.rows, result.examples, result.records) == (3, 2, 2)
    assert (result.input_tokens, result.target_tokens) == (sum(map(len, expected)), 4)
    assert (result.longest_input, result.longest_target) == (len(expected[1]), 2)
    assert (result.labels, result.rejected) == (Counter({0: 1, 1: 1}), Counter({"empty field": 1}))
    assert len(set(result.fingerprints.tolist())) == 2
    assert job().rejected_path.read_text().count("\n") == 1


def test_what_is_too_long_is_cut_and_counted(settings, job):
    short = dataclasses.replace(settings, max_input_length=5)
    result = ShardWriter(short).write(job())
    columns = columns_of(job().path)
    assert columns["input_lengths"].tolist() == [5, 5]
    assert columns["inputs"].reshape(2, 5)[:, -1].tolist() == [1, 1]  # EOS stays
    assert (result.truncated, result.truncated_targets) == (2, 0)


def test_a_tasks_own_limit_is_kept_where_it_is_shorter(settings, job):
    task = dataclasses.replace(get_task("rte"), max_input_length=4)
    assert ShardWriter(settings).write(job(task)).longest_input == 4
    task = dataclasses.replace(get_task("rte"), max_input_length=1000)
    short = dataclasses.replace(settings, max_input_length=6)
    assert ShardWriter(short).write(job(task)).longest_input == 6


def test_training_records_are_packed_and_others_are_not(settings, job):
    writer = ShardWriter(dataclasses.replace(settings, is_packed=True))
    result = writer.write(job())
    columns = columns_of(job().path, is_packed=True)
    assert (result.examples, result.records, result.fullest_targets) == (2, 1, 4)
    assert columns["record_examples"].tolist() == [2]
    result = writer.write(job(split="validation"))
    assert (result.examples, result.records) == (2, 2)


def test_what_a_task_makes_the_writer_raise_is_named_with_its_place(settings, job, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("prep.shards.writer.truncate", fail)
    with pytest.raises(DataError) as caught:
        ShardWriter(settings).write(job())
    assert str(caught.value) == (
        "writing train from row 2 of train.tsv: ZeroDivisionError: of all things"
    )
    assert not job().path.exists()


def test_no_row_at_all_is_an_empty_shard(settings, job):
    result = ShardWriter(settings).write(job(rows=[]))
    assert (result.rows, result.examples, result.bytes) == (0, 0, 0)
    assert job().path.read_bytes() == b"" and not job().rejected_path.exists()


def test_the_garbage_collector_is_as_it_was(settings, job):
    before = gc.get_threshold()
    ShardWriter(settings).write(job())
    assert gc.get_threshold() == before
