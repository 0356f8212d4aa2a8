"""What a page on a dataset says first."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from prep.dataset.entries import SplitEntry
from prep.inspection.verdict import give_verdict

SOUND = SplitEntry(100, (), 0, 0, 9, 2, (48, 52), 0, {})
WORDS = ("yes", "no")


def verdict(entry, words=WORDS, failed=()):
    split = SimpleNamespace(name="train", entry=entry)
    task = SimpleNamespace(entry=SimpleNamespace(name="a", label_words=words), splits=(split,))
    return give_verdict(
        SimpleNamespace(manifest=SimpleNamespace(failed=dict(failed)), tasks=(task,))
    )


def test_of_a_sound_dataset_one_sentence():
    assert verdict(SOUND) == [
        "Nothing stands out: few rows are rejected, cut, unknown or in two splits."
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"rejected": 20, "rejected_reasons": {"empty input": 15, "unknown label": 5}},
            "20 of 120 rows are rejected (15 × empty input, 5 × unknown label)",
        ),
        ({"truncated": 6}, "6 of 100 examples are cut, being too long"),
        (
            {"truncated": 2, "truncated_targets": 1},
            "the targets of 1 examples are cut",
        ),
        ({"duplicates": {"test": 2}}, "2 of 100 examples have inputs that test has too"),
        ({"duplicates": {"itself": 20}}, "20 of 100 examples have inputs of an earlier one"),
        ({"label_counts": (100, 0)}, "no example is no"),
        ({"label_counts": (91, 9)}, "few examples are no (9), where 50 each would be even"),
        (
            {"lossy_inputs": 2, "unknown_input_tokens": 3},
            "unknown input tokens 3 (300.0%); inputs that do not decode back: 2",
        ),
    ],
)
def test_each_thing_is_told_with_its_place(changes, said):
    assert verdict(replace(SOUND, **changes)) == ["1 thing to look at.", f"a, train: {said}."]


@pytest.mark.parametrize(
    "changes",
    [
        {"rejected": 1, "rejected_reasons": {"empty input": 1}},
        {"truncated": 5},
        {"duplicates": {"test": 1}},
        {"label_counts": (90, 10)},
        {"lossy_inputs": 1},
    ],
)
def test_little_is_not_told(changes):
    assert len(verdict(replace(SOUND, **changes))) == 1


def test_tasks_that_failed_come_first():
    said = verdict(replace(SOUND, truncated=9), failed={"b": "no file"})
    assert said[:2] == ["2 things to look at.", "b failed, and is not in it: no file"]


def test_of_a_task_without_labels_none_are_missing():
    assert len(verdict(replace(SOUND, label_counts=()), words=())) == 1
