import errno
import json
import os
from pathlib import Path

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.manifest import load_manifest
from prep.dataset.reading import read_split
from prep.errors import DataError, UsageError
from prep.storage import durable_files
from prep.tasks import get_task

ROOT = Path(__file__).parents[3]


def test_two_builds_are_equal_byte_for_byte_whatever_the_workers(rte_options, tmp_path, contents):
    folders = [tmp_path / "one", tmp_path / "again", tmp_path / "two"]
    for folder, workers in zip(folders, (1, 1, 2), strict=True):
        build_dataset(rte_options(out=folder, workers=workers))
    first, *others = map(contents, folders)
    assert "dataset.json" in first
    assert "spiece.model" in first
    assert all(first == other for other in others)


def test_a_finished_folder_is_left_alone(rte_options):
    options = rte_options()
    build_dataset(options)
    before = (options.out / "dataset.json").stat().st_mtime_ns
    lines = []
    build_dataset(options, lines.append)
    assert "already built" in lines[0]
    assert (options.out / "dataset.json").stat().st_mtime_ns == before


def test_other_options_need_force(rte_options):
    build_dataset(rte_options())
    changed = {"max_input_length": 8}
    with pytest.raises(UsageError, match=r"max_input_length differ.*`force`"):
        build_dataset(rte_options(**changed))
    manifest = build_dataset(rte_options(**changed, force=True))
    assert load_manifest(rte_options().out) == manifest
    assert manifest.task("rte").split("train").truncated == 30


def test_changed_files_need_force(rte_options, rte_data):
    build_dataset(rte_options())
    with (rte_data / "rte" / "val.tsv").open("a") as file:
        file.write("9\tnew\trow\tentailment\n")
    with pytest.raises(UsageError, match="sources of rte"):
        build_dataset(rte_options())


def test_a_folder_of_something_else_is_never_touched(rte_options):
    options = rte_options(force=True)
    options.out.mkdir()
    (options.out / "thesis.txt").write_text("do not lose")
    with pytest.raises(UsageError, match="is no dataset folder"):
        build_dataset(options)
    assert (options.out / "thesis.txt").read_text() == "do not lose"


def test_truncation_keeps_eos_and_is_counted(rte_options):
    options = rte_options(max_input_length=6)
    manifest = build_dataset(options)
    split = manifest.task("rte").split("train")
    assert (split.truncated, split.truncated_targets, split.longest_input) == (30, 0, 6)
    table = read_split(options.out, manifest, "rte", "train")
    assert all(table.input_ids(row)[-1] == 1 for row in range(len(table)))


def test_bad_rows_are_counted_and_quarantined(rte_options, rte_data):
    path = rte_data / "rte" / "train.tsv"
    bad = b"x\ta\tb\tmaybe\ny\ta\tb\nz\ta\t\tentailment\nw\t\xff\tb\tentailment\n"
    path.write_bytes(path.read_bytes() + bad + b"v\tlast\trow\tentailment\n")
    options = rte_options()
    split = build_dataset(options).task("rte").split("train")
    assert (split.examples, split.rejected) == (31, 4)
    assert split.rejected_reasons == {
        "empty field": 1,
        "invalid UTF-8": 1,
        "unknown label": 1,
        "wrong number of columns": 1,
    }
    lines = (options.out / "rte" / "rejected.jsonl").read_text().splitlines()
    rejected = [json.loads(line) for line in lines]
    assert [(row["file"], row["row"], row["split"]) for row in rejected] == [
        ("train.tsv", number, "train") for number in (32, 33, 34, 35)
    ]
    assert rejected[0]["detail"] == "'maybe' is none of 'entailment', 'not_entailment'"
    table = read_split(options.out, load_manifest(options.out), "rte", "train")
    assert table.examples.tolist()[-2:] == [29, 34]


def test_a_split_of_which_nothing_is_left_is_an_error(rte_options, rte_data):
    (rte_data / "rte" / "val.tsv").write_text("1\ta\tb\tmaybe\n2\ta\tb\tperhaps\n")
    options = rte_options()
    with pytest.raises(DataError, match=r"'validation' is empty.*2 × unknown label"):
        build_dataset(options)
    assert not options.out.exists()
    assert not list(options.out.parent.glob(".*partial"))


def test_a_full_disk_leaves_nothing_half_written(rte_options, monkeypatch):
    calls = []

    def fail(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable_files.os, "fsync", fail)
    options = rte_options()
    with pytest.raises(OSError, match=r"No space left.*tfrecord") as caught:
        build_dataset(options)
    assert caught.value.errno == errno.ENOSPC
    assert not options.out.exists()
    assert not list(options.out.parent.glob(".*partial"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ()}, "no task to build"),
        ({"workers": 0}, "`workers` is 0"),
        ({"shard_records": 0}, "`shard_records` is 0"),
        ({"max_input_length": 1}, "`max_input_length` is 1"),
    ],
)
def test_impossible_options(rte_options, changes, message):
    with pytest.raises(UsageError, match=message):
        rte_options(**changes)


def test_row_numbers_survive_carving(tmp_path, small_vocabulary, real_data, rte_options):
    options = rte_options(
        tasks=(get_task("commonsense_qa"),), data_dir=real_data, shard_records=100
    )
    manifest = build_dataset(options)
    for split, examples in (("train", 977), ("validation", 244)):
        table = read_split(options.out, manifest, "commonsense_qa", split)
        assert table.examples.tolist() == list(range(examples))
