"""A block of rows becomes examples; what is lost on the way is told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from prep.shards.jobs import ShardJob
from prep.shards.wording import word_rows, write_rejected
from prep.sources.blocks import Block
from prep.sources.row import RowError
from prep.tasks import get_task

ROWS = [
    {"sentence1": "a", "sentence2": "b", "label": "entailment"},
    {"sentence1": "c", "sentence2": "d", "label": "not_entailment"},
    {"sentence1": "e", "sentence2": "f", "label": "entailment"},
]


def job_of(rows, task=None, first_example=0, is_member=None, split="train"):
    block = Block("train.tsv", 2, 0, len(rows), (), None, rows)
    path = Path("x.tfrecord")
    task = task or get_task("rte")
    return ShardJob(task, split, 0, block, first_example, is_member, path, path)


def with_function(function):
    return dataclasses.replace(get_task("rte"), row_functions=(function,))


def test_sound_rows_become_an_example_each():
    worded = word_rows(job_of(ROWS, first_example=40))
    assert worded.numbers == [40, 41, 42]
    assert [example.inputs for example in worded.examples] == [
        f"rte sentence1: {one} sentence2: {two}" for one, two in ("ab", "cd", "ef")
    ]
    assert [example.label for example in worded.examples] == [0, 1, 0]
    assert (worded.rows, worded.rejected, worded.dropped, worded.expanded) == (3, [], {}, 0)


def test_a_row_that_cannot_be_used_is_told_with_its_place():
    bad = {**ROWS[1], "label": "perhaps"}
    worded = word_rows(job_of([ROWS[0], bad, ROWS[2]]))
    assert worded.numbers == [0, 2]  # the bad row keeps its number
    assert worded.rejected == [
        {
            "file": "train.tsv",
            "row": 3,
            "split": "train",
            "reason": "unknown label",
            "detail": "'perhaps' is none of 'entailment', 'not_entailment'",
        }
    ]
    assert worded.rows == 3


def test_a_row_that_could_not_be_read_is_told_too():
    worded = word_rows(job_of([RowError("not UTF-8", "byte 3"), ROWS[0]]))
    assert worded.numbers == [1]
    assert [row["reason"] for row in worded.rejected] == ["not UTF-8"]


def test_rows_of_another_split_are_passed_over():
    worded = word_rows(job_of(ROWS, first_example=7, is_member=np.array([True, False, True])))
    assert worded.numbers == [7, 8]  # numbers count the split's own rows
    assert [example.inputs[15] for example in worded.examples] == ["a", "e"]
    assert worded.rows == 2


def test_row_functions_leave_out_and_add():
    def change(row):
        if row["sentence1"] == "a":
            return None
        return [row, {**row, "sentence1": "again"}] if row["sentence1"] == "c" else row

    worded = word_rows(job_of(ROWS, with_function(change)))
    assert worded.numbers == [1, 1, 2]  # examples of one row share its number
    assert (worded.rows, worded.dropped.total(), worded.expanded) == (3, 1, 1)


@pytest.mark.parametrize(("split", "count"), [("train", 3), ("validation", 1)])
def test_of_several_right_answers_each_is_trained_on(split, count):
    task = dataclasses.replace(
        get_task("rte"),
        kind="generation",
        fields=("sentence1",),
        targets="",
        labels={},
        answers=lambda row: row["sentence2"].split("|"),
    )
    row = {"sentence1": "q", "sentence2": "one|two|three|two"}
    worded = word_rows(job_of([row], task, split=split))
    assert len(worded.examples) == count and worded.numbers == [0] * count
    references = worded.examples[0].references
    assert references == (("one",) if split == "train" else ("one", "two", "three"))


def test_rejected_rows_are_a_line_each(tmp_path):
    write_rejected(tmp_path / "none.jsonl", [])
    assert not (tmp_path / "none.jsonl").exists()
    rows = [{"reason": "größe", "detail": "\ud800"}, {"reason": "b", "detail": ""}]
    write_rejected(tmp_path / "some.jsonl", rows)
    lines = (tmp_path / "some.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["reason"] == "größe" and len(lines) == 2
