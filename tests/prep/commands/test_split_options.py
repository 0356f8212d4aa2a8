"""The short forms of splits on the command line."""

import pytest

from prep.commands.split_options import parse_selection
from prep.errors import UsageError
from prep.sources.declarations import Carve
from prep.splits.selection import CarveRequest, CountRequest, Selection


@pytest.mark.parametrize(
    ("text", "task", "carve"),
    [
        ("validation=train:1000", "", Carve("validation", "train", seed=7, rows=1000)),
        ("validation=train:0.1", "", Carve("validation", "train", 0.1, 7)),
        ("validation=train:.5", "", Carve("validation", "train", 0.5, 7)),
        ("rte/test=validation:0.5", "rte", Carve("test", "validation", 0.5, 7)),
        ("wmt16-en_ro/dev=train:3", "wmt16-en_ro", Carve("dev", "train", seed=7, rows=3)),
    ],
)
def test_a_split_out_of_another(text, task, carve):
    assert parse_selection([text], [], [], 7) == Selection((CarveRequest(carve, task),), seed=7)


def test_rows_of_a_split_and_of_each_label():
    selection = parse_selection([], ["train=16"], ["rte/validation=500", "test=1"], 0)
    assert selection.few_shot == (CountRequest("train", 16),)
    assert selection.limits == (CountRequest("validation", 500, "rte"), CountRequest("test", 1))


def test_nothing_asked_for_changes_nothing():
    assert parse_selection([], [], [], 0) == Selection()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (["validation=train"], [], [], 0),
            "expected [TASK/]NEW=OLD:N, as in validation=",
        ),
        ((["validation=train:1.2.3"], [], [], 0), "expected [TASK/]NEW=OLD:N"),
        ((["validation=train:."], [], [], 0), "expected [TASK/]NEW=OLD:N"),
        ((["validation=train:-1"], [], [], 0), "expected [TASK/]NEW=OLD:N"),
        ((["a/b/validation=train:1"], [], [], 0), "expected [TASK/]NEW=OLD:N"),
        ((["validation=train:2.5"], [], [], 0), "2.5 is neither rows nor a share below 1"),
        ((["validation=train:0.0"], [], [], 0), "0.0 is neither rows nor a share below 1"),
        ((["rte/train=train:1"], [], [], 0), "a split cannot be carved out of itself"),
        (([], ["train=0"], [], 0), "--few-shot train=0: expected [TASK/]SPLIT=ROWS"),
        (([], [], ["train=0.5"], 0), "--limit train=0.5: expected [TASK/]SPLIT=ROWS"),
        (([], [], [], -1), "-1; it must be >= 0"),
    ],
)
def test_what_cannot_be_read(arguments, message):
    with pytest.raises(UsageError) as caught:
        parse_selection(*arguments)
    assert message in str(caught.value)
