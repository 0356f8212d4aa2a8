"""Histograms of lengths: in the manifest, as the records have them, and what they can tell."""

import dataclasses
import json

import numpy as np
import pytest

from prep.build.dataset import build_dataset
from prep.dataset.length_counts import read_length_counts, write_length_counts
from prep.dataset.manifest import load_manifest, write_manifest
from prep.dataset.reading import read_split
from prep.dataset.verification import find_problems
from prep.errors import DataError


def counted(lengths):
    values, counts = np.unique(lengths, return_counts=True)
    return " ".join(f"{value}:{count}" for value, count in zip(values, counts, strict=True))


def test_they_tell_what_is_left_where_texts_are_cut():
    lengths = [3, 9, 9, 4, 12]
    found = read_length_counts(write_length_counts({9: 2, 3: 1, 12: 1, 4: 1}))
    for limit in (1, 3, 8, 9, 10, 12, 40):
        assert found.tokens_within(limit) == sum(min(length, limit) for length in lengths)
        assert found.count_longer(limit) == sum(length > limit for length in lengths)


def test_nothing_counted_is_none_and_what_is_no_histogram_is_told():
    assert write_length_counts({}) == "" and read_length_counts("") is None
    for line in ("5", "5:a", "5:1:2", "5:1 6", f"{2**70}:1"):
        with pytest.raises(DataError, match=r"has the lengths .*, expected tokens:examples as in"):
            read_length_counts(line)


@pytest.mark.parametrize("changes", [{}, {"max_input_length": 9}, {"pack": True}, {"workers": 2}])
def test_a_build_counts_the_lengths_that_its_records_have(rte_options, changes):
    options = rte_options(**changes)
    build_dataset(options)
    manifest = load_manifest(options.out)
    for name, split in manifest.task("rte").splits.items():
        table = read_split(options.out, manifest, "rte", name)
        assert split.input_lengths == counted(np.diff(table.input_offsets)) != ""
        assert split.target_lengths == counted(np.diff(table.target_offsets)) != ""
    assert list(find_problems(options.out)) == []


def with_lengths(manifest, **lengths):
    task = manifest.task("rte")
    splits = {**task.splits, "train": dataclasses.replace(task.split("train"), **lengths)}
    return dataclasses.replace(manifest, tasks={"rte": dataclasses.replace(task, splits=splits)})


def test_verify_tells_lengths_that_are_not_those_of_the_records(rte_dataset):
    folder, manifest = rte_dataset
    write_manifest(folder, with_lengths(manifest, input_lengths="5:30"))
    (problem,) = find_problems(folder)
    assert "rte" in problem and "inputs have other lengths than the manifest says" in problem


def test_a_manifest_of_before_is_read_and_is_sound(rte_dataset):
    folder, _ = rte_dataset
    file = folder / "dataset.json"
    document = json.loads(file.read_bytes())
    for split in document["tasks"]["rte"]["splits"].values():
        del split["input_lengths"], split["target_lengths"]
    file.write_text(json.dumps(document))
    split = load_manifest(folder).task("rte").split("train")
    assert (split.input_lengths, split.target_lengths) == ("", "")
    assert list(find_problems(folder)) == []
