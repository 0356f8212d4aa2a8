import dataclasses
import subprocess
import sys
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from prep.dataset.manifest import load_manifest, serialize_manifest
from prep.dataset.reading import read_split, read_vocabulary
from prep.dataset.verification import find_problems
from prep.errors import DataError, UsageError
from prep.records.framing import split_records
from prep.tokens.vocabulary import Vocabulary


def test_a_split_comes_back_in_order(rte_dataset, small_vocabulary):
    folder, manifest = rte_dataset
    table = read_split(folder, manifest, "rte", "train")
    vocabulary = Vocabulary(small_vocabulary)
    assert len(table) == 30
    assert table.inputs.dtype == np.uint16
    assert table.examples.tolist() == list(range(30))
    assert table.labels.tolist() == [0, 1] * 15
    ids = vocabulary.encode("rte sentence1: a man 3 sentence2: the cat 3")
    assert table.input_ids(3).tolist() == [*ids, 1]
    assert vocabulary.decode(table.target_ids(3)) == "not_entailment"


def test_the_first_examples_of_a_table(rte_dataset):
    folder, manifest = rte_dataset
    table = read_split(folder, manifest, "rte", "train")
    head = table.head(3)
    assert len(head) == 3
    assert head.examples.tolist() == [0, 1, 2]
    assert head.input_ids(2).tolist() == table.input_ids(2).tolist()
    assert head.target_ids(2).tolist() == table.target_ids(2).tolist()
    assert len(table.head(99)) == 30


def test_the_first_examples_are_read_without_the_shards_behind_them(rte_dataset):
    folder, manifest = rte_dataset
    whole = read_split(folder, manifest, "rte", "train")
    for shard in manifest.task("rte").split("train").shards[2:]:
        (folder / shard.file).unlink()
    for most in (1, 8, 9, 16):
        head = read_split(folder, manifest, "rte", "train", most=most)
        assert head.examples.tolist() == list(range(most))
        assert head.input_ids(most - 1).tolist() == whole.input_ids(most - 1).tolist()
    with pytest.raises(DataError, match="is missing"):
        read_split(folder, manifest, "rte", "train", most=17)


def test_the_sums_of_the_manifest_are_those_of_the_table(rte_dataset):
    folder, manifest = rte_dataset
    for split in ("train", "validation", "test"):
        entry = manifest.task("rte").split(split)
        table = read_split(folder, manifest, "rte", split)
        assert entry.input_tokens == len(table.inputs)
        assert entry.target_tokens == len(table.targets)
        assert entry.longest_input == np.diff(table.input_offsets).max()


def test_tensorflow_reads_the_shards_too(rte_dataset):
    tf = pytest.importorskip("tensorflow")
    folder, manifest = rte_dataset
    shards = [str(folder / shard.file) for shard in manifest.task("rte").split("train").shards]
    records = [record.numpy() for record in tf.data.TFRecordDataset(shards)]
    assert len(records) == 30
    example = tf.train.Example.FromString(records[29])
    table = read_split(folder, manifest, "rte", "train")
    values = example.features.feature["inputs"].int64_list.value
    assert list(values) == table.input_ids(29).tolist()


def test_unknown_task_or_split(rte_dataset):
    folder, manifest = rte_dataset
    with pytest.raises(UsageError, match="no task"):
        read_split(folder, manifest, "cola", "train")
    with pytest.raises(UsageError, match="no split"):
        read_split(folder, manifest, "rte", "dev")


def damage(folder, manifest, change):
    path = folder / manifest.task("rte").split("train").shards[1].file
    content = change(path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    return path.name


DAMAGES = {
    "is missing": lambda content: None,
    "is truncated": lambda content: content[:-7],
    "is corrupt": lambda content: content[:40] + bytes([content[40] ^ 4]) + content[41:],
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_shard_is_named(rte_dataset, message):
    folder, manifest = rte_dataset
    name = damage(folder, manifest, DAMAGES[message])
    with pytest.raises(DataError, match=f"{name} {message}"):
        read_split(folder, manifest, "rte", "train")
    assert any(name in problem for problem in find_problems(folder))


def vouched_for(folder, manifest):
    """The manifest as if it had been written for the training shards as they are now."""
    task = manifest.task("rte")
    split = task.split("train")
    shards = []
    for shard in split.shards:
        content = (folder / shard.file).read_bytes()
        checksum = f"{google_crc32c.value(content):08x}"
        shards.append(dataclasses.replace(shard, bytes=len(content), crc32c=checksum))
    splits = {**task.splits, "train": dataclasses.replace(split, shards=tuple(shards))}
    tasks = {**manifest.tasks, "rte": dataclasses.replace(task, splits=splits)}
    return dataclasses.replace(manifest, tasks=tasks)


def test_damage_is_noticed_even_where_checksums_fit(rte_dataset):
    folder, manifest = rte_dataset
    damage(folder, manifest, lambda content: content[:-7])
    with pytest.raises(DataError, match="truncated after record 7"):
        read_split(folder, vouched_for(folder, manifest), "rte", "train")


def test_a_record_that_is_no_example(rte_dataset):
    folder, manifest = rte_dataset
    damage(folder, manifest, lambda content: content[:12] + b"\xff" * 20 + content[32:])
    with pytest.raises(DataError, match="a record is no example"):
        read_split(folder, vouched_for(folder, manifest), "rte", "train")


def test_another_number_of_records(rte_dataset):
    folder, manifest = rte_dataset
    path = folder / manifest.task("rte").split("train").shards[1].file
    records = len(split_records(path.read_bytes(), "shard"))
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"holds 0 records, the manifest says {records}"):
        read_split(folder, vouched_for(folder, manifest), "rte", "train")


def test_verification_finds_a_sound_folder_sound(rte_dataset):
    assert list(find_problems(rte_dataset[0])) == []


def test_verification_finds_an_exchanged_vocabulary(rte_dataset):
    folder, manifest = rte_dataset
    path = folder / manifest.vocabulary.file
    path.write_bytes(path.read_bytes() + b"\x00")
    assert any("sha256" in problem for problem in find_problems(folder))
    with pytest.raises(DataError, match="is not the one the dataset was built with"):
        read_vocabulary(folder, manifest)
    path.unlink()
    assert any("is missing" in problem for problem in find_problems(folder))


def test_verification_compares_records_with_the_limits(rte_dataset):
    folder, manifest = rte_dataset
    smaller = dataclasses.replace(
        manifest,
        max_input_length=4,
        vocabulary=dataclasses.replace(manifest.vocabulary, size=10),
    )
    (folder / "dataset.json").write_bytes(serialize_manifest(smaller))
    problems = " ".join(find_problems(folder))
    assert "the maximum is 4" in problems
    assert "the vocabulary ends before it" in problems
    assert load_manifest(folder).max_input_length == 4


def test_importing_prep_does_not_import_tensorflow():
    code = "import prep, prep.__main__, sys; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
