"""A row that makes anything raise is rejected with its reason, and nothing else is lost."""

import dataclasses
import json

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.manifest import load_manifest
from prep.inspection.survey import survey_dataset
from prep.sources.declarations import GeneratedSource
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

GOOD = [json.dumps({"a": f"a man {number}", "b": "the cat"}) for number in range(12)]
TASKS = """
- {name: texts, kind: generation, inputs: "{a}", targets: "{b}", metrics: [exact_match],
   files: {train: {name: train.jsonl}}}
"""


@pytest.fixture
def build_with(rte_options, rte_data, tmp_path):
    """Builds RTE beside a task of JSON Lines in which some lines stand among good ones."""

    def build(*lines, tasks=TASKS, **changes):
        (tmp_path / "tasks.yaml").write_text(tasks)
        (rte_data / "texts").mkdir(exist_ok=True)
        (rte_data / "texts" / "train.jsonl").write_text("\n".join([*GOOD, *lines, *GOOD]) + "\n")
        own = load_tasks(tmp_path / "tasks.yaml")
        options = rte_options(tasks=(*own, get_task("rte")), **changes)
        manifest = build_dataset(options, report=lambda line: None)
        file = options.out / "texts" / "rejected.jsonl"
        rejected = file.read_bytes().splitlines() if file.exists() else []
        return manifest, list(map(json.loads, rejected))

    return build


DEEP = "[" * 200_000
ROWS = {
    r'{"a": "bad \ud800 here", "b": "x"}': ("lone surrogate", "U+D800 after 4 characters"),
    r'{"a": "good", "b": "cut off \ud83d"}': ("lone surrogate", "U+D83D after 8 characters"),
    DEEP: ("invalid JSON", "nested too deeply"),
    '{"a": ' + '{"x":' * 100_000: ("invalid JSON", "nested too deeply"),
    '{"a": ' + "1" * 5000 + ', "b": "x"}': ("invalid JSON", "Exceeds the limit"),
}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_rows_that_cannot_be_read_or_encoded_are_rejected_and_nothing_else(build_with, workers):
    manifest, rejected = build_with(*ROWS, workers=workers)
    assert not manifest.failed
    assert manifest.task("texts").split("train").examples == 2 * len(GOOD)
    assert manifest.task("rte").split("train").examples == 30
    assert [row["row"] for row in rejected] == [13, 14, 15, 16, 17]
    for found, (reason, detail) in zip(rejected, ROWS.values(), strict=True):
        assert found["reason"] == reason and detail in found["detail"]


def test_what_looks_like_a_sentinel_and_is_none_stays_text(build_with):
    line = json.dumps({"a": f"a <extra_id_{'9' * 5000}> b", "b": "<extra_id_٣>"})
    manifest, rejected = build_with(line)
    assert not rejected and manifest.task("texts").split("train").examples == 25


def test_a_carved_split_and_few_shots_pass_over_such_rows(build_with):
    carved = TASKS.replace("}}", "}}, carve: {split: validation, from: train, rows: 4}", 1)
    manifest, rejected = build_with(*ROWS, tasks=carved)
    splits = manifest.task("texts").splits
    assert len(rejected) == len(ROWS)
    assert sum(split.rejected for split in splits.values()) == len(ROWS)


def own_task(**changes):
    source = GeneratedSource(lambda: {"train": [{"n": number} for number in range(6)]})
    given = {"name": "own", "kind": "generation", "fields": ("n",), "labels": {}, "source": source}
    given |= {"inputs": "{n}", "targets": "{n}", "metrics": ("exact_match",), "hf": None}
    return dataclasses.replace(get_task("rte"), **(given | changes))


def divide(row):
    return {"n": 6 // row["n"]}


def recurse(row):
    return recurse(row) if row["n"] == 3 else row


CASES = {
    "a row function": own_task(row_functions=(divide,)),
    "recursion": own_task(row_functions=(recurse,)),
    "a wording that is no text": own_task(inputs=lambda row: str(row["n"]) if row["n"] else 0),
    "rows that are none": own_task(
        source=GeneratedSource(lambda: {"train": [{"n": 1}, 5, {"n": 2}, {"n": 3}, {"n": 4}]})
    ),
    "a row no JSON can hold": own_task(
        source=GeneratedSource(lambda: {"train": [{"n": "\udc80"}, {1: 2, "n": 1}, {"n": 1}]})
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_of_ones_own_code(rte_options, name):
    options = rte_options(tasks=(CASES[name], get_task("rte")))
    manifest = build_dataset(options, report=lambda line: None)
    split = manifest.task("own").split("train")
    assert split.rejected == 1 and split.examples >= 2
    assert load_manifest(options.out) == manifest


def explode():
    yield {"n": 1}
    raise ZeroDivisionError("in the middle")


FAILING = {
    "in the middle": {"source": GeneratedSource(lambda: {"train": explode()})},
    "could not get source code": {"inputs": eval("lambda row: 'nobody knows its source'")},
    "": {"labels": {"1": "\ud800"}, "kind": "classification"},
}


@pytest.mark.parametrize("reason", FAILING)
def test_what_a_task_raises_fails_that_task_only(rte_options, reason):
    options = rte_options(tasks=(own_task(**FAILING[reason]), get_task("rte")))
    manifest = build_dataset(options, report=lambda line: None)
    assert list(manifest.tasks) == ["rte"] and list(manifest.failed) == ["own"]
    assert reason in manifest.failed["own"]
    assert load_manifest(options.out) == manifest


@pytest.mark.slow
def test_a_task_that_cannot_be_sent_to_a_worker_fails_alone(rte_options):
    task = own_task(inputs=lambda row: "of a test, which a worker cannot import")
    manifest = build_dataset(rte_options(tasks=(task, get_task("rte")), workers=2), lambda line: 0)
    assert list(manifest.tasks) == ["rte"]
    assert "cannot be sent to a worker process" in manifest.failed["own"]


def test_reasons_may_hold_whatever_a_row_holds(rte_options):
    def refuse(row):
        if row["n"] == 3:
            raise ValueError("line one\u2028line two \ud800")
        return row

    options = rte_options(tasks=(own_task(row_functions=(refuse,)),))
    build_dataset(options, report=lambda line: None)
    survey = survey_dataset(options.out)
    assert "line two" in survey.tasks[0].splits[0].rejected[0]["detail"]


def test_the_disk_still_ends_the_build(rte_options, monkeypatch):
    def refuse(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("prep.shards.writer.write_file", refuse)
    with pytest.raises(OSError, match="No space left"):
        build_dataset(rte_options(), report=lambda line: None)


def test_a_document_with_rows_that_are_no_objects(build_with, rte_data, tmp_path):
    (rte_data / "texts").mkdir()
    document = [{"a": "one", "b": "two"}, 7, {"a": "three", "b": "four"}]
    (rte_data / "texts" / "train.json").write_text(json.dumps(document))
    tasks = TASKS.replace("train.jsonl", "train.json")
    manifest, rejected = build_with(tasks=tasks)
    assert manifest.task("texts").split("train").examples == 2
    assert [row["detail"] for row in rejected] == ["not an object"]
    (rte_data / "texts" / "train.json").write_text(DEEP)
    manifest, _ = build_with(tasks=tasks, force=True)
    assert manifest.failed["texts"].endswith("train.json is not a JSON document: nested too deeply")
