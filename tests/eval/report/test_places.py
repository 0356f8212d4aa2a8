"""Figures of another dataset have a folder of their own; a dataset that was moved is the same."""

import dataclasses
from pathlib import Path

import pytest

from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun
from eval.report.places import dataset_digest, report_folder
from prep import Manifest, ShardEntry, SplitEntry, TaskEntry, VocabularyEntry
from prep.dataset.digests import task_digest


def make_manifest(crc="0a", test="0b"):
    splits = {
        split: SplitEntry(2, (ShardEntry(split, 2, 9, crc32c, 4, 4),), 0, 0, 2, 2, (), 0, {})
        for split, crc32c in (("train", crc), ("validation", "0c"), ("test", test))
    }
    tasks = {
        name: TaskEntry(name, "generation", (), (), ("bleu",), 4, 2, splits) for name in ("a", "b")
    }
    return Manifest(1, VocabularyEntry("v", "00", 9, 0), 6, 6, None, 7, tasks)


MANIFEST = make_manifest()
SETTINGS = ResolvedRun(
    dataset="/data/own",
    run="/runs/r",
    tasks=("a", "b"),
    seed=0,
    model=ResolvedModel(backbone="t5-tiny"),
    adapters=AdapterConfig(),
    fingerprints={
        f"dataset.{name}": task_digest(entry, ("train", "validation"))
        for name, entry in MANIFEST.tasks.items()
    },
)
OLD = dataclasses.replace(SETTINGS, fingerprints={})  # as earlier versions wrote them


def folder(dataset, manifest=MANIFEST, split="validation", settings=SETTINGS, average=()):
    entries = list(manifest.tasks.values())
    scored = (dataset, manifest, split)
    return report_folder(Path("r"), settings, scored, entries, average).as_posix()


@pytest.mark.parametrize("settings", [SETTINGS, OLD])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_run_s_own_dataset(settings, split):
    for dataset in ("/data/own", "/data/own/"):
        assert folder(dataset, split=split, settings=settings) == "r/eval"
    assert folder("/data/own", average=("a", "b")) == "r/eval/average-a-b"


def test_a_dataset_that_was_moved_is_the_run_s_where_a_fingerprint_says_so():
    own = dataset_digest(MANIFEST)[:8]
    assert folder("/elsewhere/data") == "r/eval"
    assert folder("/elsewhere/data", split="test") == f"r/eval/data-{own}"
    assert folder("/elsewhere/data", settings=OLD) == f"r/eval/data-{own}"


def test_of_a_run_that_grew_each_dataset_has_its_place():
    first = dataclasses.replace(MANIFEST, tasks={"a": MANIFEST.tasks["a"]})
    grown = dataclasses.replace(MANIFEST, tasks={"b": MANIFEST.tasks["b"]})
    assert folder("/data/own", grown) == "r/eval"
    assert folder("/data/first", first) == f"r/eval/first-{dataset_digest(first)[:8]}"


def test_another_dataset_has_a_folder_of_its_own():
    other, third = make_manifest("ff"), make_manifest("fe")
    digest = dataset_digest(other)[:8]
    assert folder("/data/other", other) == f"r/eval/other-{digest}"
    assert folder("gs://bucket/other/", other) == f"r/eval/other-{digest}"
    assert folder("/data/own", other) == f"r/eval/own-{digest}"  # rebuilt with other rows
    assert folder("/data/other", third) != folder("/data/other", other)
    assert folder("/data/other", other, average=("a",)) == f"r/eval/average-a/other-{digest}"
    assert dataset_digest(make_manifest(test="0d")) != dataset_digest(MANIFEST)
