import dataclasses
import json

import pytest

from prep.dataset.manifest import load_manifest, parse_manifest, serialize_manifest, write_manifest
from prep.errors import DataError, UsageError


def test_writing_and_loading_give_the_same(rte_dataset, tmp_path):
    _, manifest = rte_dataset
    folder = tmp_path / "copy"
    folder.mkdir()
    write_manifest(folder, manifest)
    assert load_manifest(folder) == manifest
    assert [path.name for path in folder.iterdir()] == ["dataset.json"]


def test_the_manifest_says_what_readers_need(rte_dataset):
    _, manifest = rte_dataset
    task = manifest.task("rte")
    assert task.label_words == ("entailment", "not_entailment")
    assert task.kind == "classification"
    assert task.metrics == ("accuracy",)
    assert [len(ids) for ids in task.label_token_ids] == [1, 1]
    assert task.decoding_length == 2
    assert task.mixture_size == task.split("train").examples == 30
    assert task.split("train").label_counts == (15, 15)
    assert [shard.records for shard in task.split("train").shards] == [8, 8, 8, 6]
    assert task.split("train").shards[1].file == "rte/train-00001-of-00004.tfrecord"
    assert task.sources[1].file == "rte/val.tsv"


def test_unknown_names_get_a_hint(rte_dataset):
    _, manifest = rte_dataset
    with pytest.raises(UsageError, match="no task 'ret'; did you mean 'rte'"):
        manifest.task("ret")
    with pytest.raises(UsageError, match="no split 'vaildation'; did you mean 'validation'"):
        manifest.task("rte").split("vaildation")


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match="no dataset folder at"):
        load_manifest(tmp_path / "nowhere")


def test_a_half_written_folder(tmp_path):
    with pytest.raises(DataError, match=r"has no dataset\.json"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'{"tasks": {}}'])
def test_not_a_manifest(content):
    with pytest.raises(DataError, match="not a dataset manifest"):
        parse_manifest(content, "dataset.json")


def test_another_schema_version(rte_dataset):
    other = dataclasses.replace(rte_dataset[1], schema_version=99)
    with pytest.raises(DataError, match="schema version 99, this prep reads 1"):
        parse_manifest(serialize_manifest(other), "dataset.json")


def test_a_manifest_with_something_missing(rte_dataset):
    document = json.loads(serialize_manifest(rte_dataset[1]))
    del document["tasks"]["rte"]["splits"]["train"]["shards"]
    with pytest.raises(DataError, match="not a whole manifest"):
        parse_manifest(json.dumps(document).encode(), "dataset.json")
