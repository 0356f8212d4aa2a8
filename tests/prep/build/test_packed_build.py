"""Dataset folders whose training records hold several examples."""

import dataclasses
import json

import numpy as np
import pytest

from prep.build.dataset import build_dataset
from prep.commands.split_options import parse_selection
from prep.dataset.manifest import load_manifest, serialize_manifest
from prep.dataset.reading import read_split
from prep.dataset.verification import find_problems
from prep.errors import DataError, UsageError
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.records.framing import split_records
from prep.records.parsing import parse_records
from prep.runners import local as pool
from prep.splits.selection import Selection
from prep.tasks import get_task

pytestmark = pytest.mark.slow

TASKS = ("rte", "synthetic_choice")


@pytest.fixture
def options(rte_options):
    """Makes options of a packed build of two tasks."""

    def make(**changes):
        defaults = {
            "pack": True,
            "max_input_length": 128,
            "tasks": tuple(map(get_task, TASKS)),
            "selection": parse_selection([], [], ["train=100", "validation=20"], 0),
        }
        return rte_options(**{**defaults, **changes})

    return make


@pytest.fixture
def packed(options):
    chosen = options()
    return chosen.out, build_dataset(chosen)


def examples_of(folder, manifest, task, split):
    table = read_split(folder, manifest, task, split)
    return sorted(
        (int(number), int(label), table.input_ids(row).tolist(), table.target_ids(row).tolist())
        for row, (number, label) in enumerate(zip(table.examples, table.labels, strict=True))
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_same_examples_as_without_packing(packed, options, tmp_path, task, split):
    plain = options(pack=False, out=tmp_path / "plain")
    manifest = build_dataset(plain)
    assert examples_of(*packed, task, split) == examples_of(plain.out, manifest, task, split)
    kept = packed[1].task(task)
    for entry in (kept.split(split), manifest.task(task).split(split)):
        assert entry.examples == len(examples_of(*packed, task, split))
    assert kept.mixture_size == manifest.task(task).mixture_size
    assert kept.split(split).label_counts == manifest.task(task).split(split).label_counts


def test_only_training_records_are_packed(packed):
    folder, manifest = packed
    for task in TASKS:
        assert read_split(folder, manifest, task, "train").pack_offsets is not None
        assert read_split(folder, manifest, task, "validation").pack_offsets is None
        assert manifest.task(task).split("validation").packing is None


def test_a_packed_record_is_what_the_contract_says(packed):
    tf = pytest.importorskip("tensorflow")
    folder, manifest = packed
    shard = manifest.task("rte").split("train").shards[0]
    (first, *others) = split_records((folder / shard.file).read_bytes(), "shard")
    assert len(others) + 1 == shard.records < 8
    features = tf.train.Example.FromString(first).features.feature
    record = {name: list(feature.int64_list.value) for name, feature in features.items()}
    assert sorted(record) == [
        "example",
        "inputs",
        "inputs_segments",
        "label",
        "targets",
        "targets_segments",
    ]
    table = read_split(folder, manifest, "rte", "train")
    rows = range(table.pack_offsets[1])
    assert record["inputs"] == [token for row in rows for token in table.input_ids(row)]
    assert record["inputs_segments"] == [
        row + 1 for row in rows for _ in range(len(table.input_ids(row)))
    ]
    assert record["targets_segments"] == [
        row + 1 for row in rows for _ in range(len(table.target_ids(row)))
    ]
    assert record["label"] == table.labels[: len(rows)].tolist()
    assert record["example"] == table.examples[: len(rows)].tolist()


def test_the_manifest_says_how_full_the_rows_are(packed):
    folder, manifest = packed
    packing = manifest.packing
    assert load_manifest(folder) == manifest
    assert json.loads((folder / "dataset.json").read_text())["packing"]["rows"] == packing.rows
    tables = [read_split(folder, manifest, task, "train") for task in TASKS]
    assert packing.rows == sum(table.rows for table in tables)
    assert packing.input_length == 128
    inputs = sum(len(table.inputs) for table in tables)
    targets = sum(len(table.targets) for table in tables)
    examples = sum(map(len, tables))
    assert packing.input_share == pytest.approx(inputs / packing.rows / 128, abs=1e-6)
    assert packing.target_share == pytest.approx(
        targets / packing.rows / packing.target_length, abs=1e-6
    )
    longest = max(np.diff(table.input_offsets).max() for table in tables)
    assert packing.unpacked_input_share == pytest.approx(inputs / examples / longest, abs=1e-6)
    fullest = [np.diff(t.target_offsets[t.pack_offsets]).max() for t in tables]
    assert 0 <= packing.target_length - max(fullest) < 8
    for task, table in zip(TASKS, tables, strict=True):
        entry = manifest.task(task).split("train").packing
        assert entry.rows == table.rows
        assert entry.target_length <= packing.target_length


def test_bytes_do_not_depend_on_the_workers(packed, options, tmp_path, contents):
    build_dataset(options(workers=2, out=tmp_path / "two"))
    assert contents(packed[0]) == contents(tmp_path / "two")


class Killed(BaseException):
    """Stands for whatever ends a process without asking it."""


def test_an_interrupted_build_goes_on(packed, options, tmp_path, monkeypatch, contents):
    attempt = pool._attempt
    written = []

    def stop(writer, job):
        if len(written) == 3:
            raise Killed
        written.append(job.path.name)
        return attempt(writer, job)

    with monkeypatch.context() as patch:
        patch.setattr(pool, "_attempt", stop)
        with pytest.raises(Killed):
            build_dataset(options(out=tmp_path / "resumed"))

    def note(writer, job):
        written.append(job.path.name)
        return attempt(writer, job)

    monkeypatch.setattr(pool, "_attempt", note)
    build_dataset(options(out=tmp_path / "resumed"))
    assert written[3] == "train-00003.tfrecord"
    assert contents(packed[0]) == contents(tmp_path / "resumed")


def test_other_packing_needs_force(packed, options):
    lines = []
    build_dataset(options(), lines.append)
    assert "already built" in lines[0]
    for changes in ({"pack": False}, {"pack_target_length": 64}):
        with pytest.raises(UsageError, match="packing differ"):
            build_dataset(options(**changes))


def test_a_target_length_that_was_asked_for(options):
    chosen = options(pack_target_length=20)
    manifest = build_dataset(chosen)
    assert manifest.packing.target_length == manifest.packing.asked_target_length == 20
    assert manifest.task("rte").split("train").packing.target_length == 20
    for task in TASKS:
        table = read_split(chosen.out, manifest, task, "train")
        assert np.diff(table.target_offsets[table.pack_offsets]).max() <= 20
    assert list(find_problems(chosen.out)) == []


def test_targets_that_fit_into_no_row_fail_their_task_alone(options):
    chosen = options(pack_target_length=2, tasks=tuple(map(get_task, ("rte", "scan_simple"))))
    manifest = build_dataset(chosen)
    assert list(manifest.tasks) == ["rte"]
    assert "a packed row holds 2: raise `pack_target_length`" in manifest.failed["scan_simple"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pack": False, "pack_target_length": 8}, "`pack_target_length` is for `pack`"),
        ({"pack_target_length": -1}, "`pack_target_length` is -1"),
    ],
)
def test_impossible_options(options, changes, message):
    with pytest.raises(UsageError, match=message):
        options(**changes)


def test_nothing_to_pack(options):
    """A task of which only what is scored is there."""
    task = get_task("rte")
    only = dataclasses.replace(task.source.layouts[0], carve=None)
    files = {"validation": only.files["validation"]}
    source = dataclasses.replace(
        task.source, layouts=(dataclasses.replace(only, files=files, note=""),)
    )
    chosen = options(tasks=(dataclasses.replace(task, source=source),), selection=Selection())
    manifest = build_dataset(chosen)
    assert manifest.packing.rows == 0
    assert list(find_problems(chosen.out)) == []
    assert not [line for line in describe_dataset(survey_dataset(chosen.out)) if "packed" in line]


def test_a_packed_folder_is_sound_and_described(packed):
    folder, manifest = packed
    assert list(find_problems(folder)) == []
    text = "\n".join(describe_dataset(survey_dataset(folder)))
    packing = manifest.packing
    assert (
        f"packed: {packing.rows} rows of 128 input and {packing.target_length} target positions,"
        f" {packing.input_share:.1%} and {packing.target_share:.1%} of them real tokens"
    ) in text
    assert f"one example per row: {packing.unpacked_input_share:.1%}" in text
    assert "train: 30 examples" in text
    needed = {name: manifest.task(name).split("train").packing.target_length for name in TASKS}
    first, second = sorted(TASKS, key=lambda name: -needed[name])
    assert f"target positions by task: {first} {needed[first]}, {second} {needed[second]}" in text
    assert "inputs:  rte sentence1: a man" in text


def replace_packing(manifest, **changes):
    """A manifest that says otherwise of the packed rows of rte."""
    task = manifest.task("rte")
    split = task.split("train")
    split = dataclasses.replace(split, packing=dataclasses.replace(split.packing, **changes))
    task = dataclasses.replace(task, splits={**task.splits, "train": split})
    return dataclasses.replace(manifest, tasks={**manifest.tasks, "rte": task})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 1}, "packed rows, the manifest says 1"),
        ({"input_length": 20}, "the row holds 20"),
        ({"target_length": 2}, "the row holds 2"),
    ],
)
def test_verification_compares_rows_with_the_manifest(packed, changes, message):
    folder, manifest = packed
    wrong = replace_packing(manifest, **changes)
    (folder / "dataset.json").write_bytes(serialize_manifest(wrong))
    (problem,) = find_problems(folder)
    assert message in problem


def test_a_manifest_from_before_there_was_packing(rte_dataset):
    folder, manifest = rte_dataset
    document = json.loads((folder / "dataset.json").read_text())
    document["packing"] = False
    for split in document["tasks"]["rte"]["splits"].values():
        del split["packing"]
    (folder / "dataset.json").write_text(json.dumps(document))
    assert load_manifest(folder) == manifest


BAD_SEGMENTS = {
    "a gap": ([1, 3, 3], [1, 2, 2]),
    "falling": ([2, 2, 1], [1, 2, 2]),
    "not from 1": ([0, 1, 1], [1, 2, 2]),
    "an example without targets": ([1, 2, 2], [1, 1, 1]),
    "one too many": ([1, 2, 3], [1, 2, 3]),
    "too short": ([1, 2], [1, 2, 2]),
}


@pytest.mark.parametrize("fault", BAD_SEGMENTS)
def test_segments_that_are_no_segments_are_corrupt(fault):
    tf = pytest.importorskip("tensorflow")

    def serialize(inputs_segments, targets_segments):
        values = {
            "inputs": [5, 6, 7],
            "inputs_segments": inputs_segments,
            "targets": [8, 9, 1],
            "targets_segments": targets_segments,
            "label": [0, 1],
            "example": [3, 4],
        }
        features = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
            for name, value in values.items()
        }
        message = tf.train.Example(features=tf.train.Features(feature=features))
        return message.SerializeToString()

    sound = serialize([1, 2, 2], [1, 1, 2])
    (columns,) = parse_records([sound, sound], "shard", np.uint16, True)
    assert columns["input_lengths"].tolist() == [1, 2, 1, 2]
    assert columns["target_lengths"].tolist() == [2, 1, 2, 1]
    bad = serialize(*BAD_SEGMENTS[fault])
    for records in ([sound, bad], [bad, sound]):
        with pytest.raises(DataError, match=r"shard x is corrupt: the segments of .* do not rise"):
            list(parse_records(records, "x", np.uint16, True))
