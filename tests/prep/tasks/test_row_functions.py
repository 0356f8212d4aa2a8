import dataclasses
import math

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.manifest import load_manifest
from prep.dataset.reading import read_split
from prep.errors import DataError
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.sources.row import RowError
from prep.tasks import get_task
from prep.tasks.digest import definition_digest
from prep.tasks.examples import row_to_example


def drop_odd(row):
    return None if int(row["index"]) % 2 else row


def say_twice(row):
    return [row, dict(row) | {"sentence1": row["sentence2"]}]


def refuse_the_last(row):
    if row["index"] == "28":
        raise RowError("too late", row["index"])
    return row


def break_down(row):
    return row["no such field"]


def build(options, *functions, **changes):
    task = dataclasses.replace(get_task("rte"), row_functions=functions)
    chosen = options(tasks=(task,), **changes)
    return chosen.out, build_dataset(chosen, report=lambda line: None)


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_dropped_and_expanded_in_turn_and_counted(rte_options, workers):
    folder, manifest = build(rte_options, drop_odd, say_twice, workers=workers)
    split = manifest.task("rte").split("train")
    assert (split.examples, split.dropped, split.expanded, split.rejected) == (30, 15, 15, 0)
    table = read_split(folder, manifest, "rte", "train")
    assert table.examples.tolist() == [number for number in range(0, 30, 2) for _ in "12"]
    described = "\n".join(describe_dataset(survey_dataset(folder)))
    assert split.dropped_by == {"the row function drop_odd": 15}
    assert "left out: 15 by the row function drop_odd" in described
    assert "rows with several examples add 15 to the first of each" in described


def test_a_row_function_may_refuse_a_row(rte_options):
    _, manifest = build(rte_options, drop_odd, refuse_the_last)
    split = manifest.task("rte").split("train")
    assert (split.examples, split.dropped) == (14, 15)
    assert split.rejected_reasons == {"too late": 1}


def test_a_row_function_that_breaks_down_rejects_the_row(rte_options):
    with pytest.raises(DataError, match=r"every row was rejected .*unusable field"):
        build(rte_options, break_down)


def test_whatever_a_row_function_raises_is_of_the_row(rte_options):
    def refuse_one(row):
        if row["index"] == "3":
            raise DataError("not mine")
        return row

    _, manifest = build(rte_options, refuse_one)
    assert manifest.task("rte").split("train").rejected_reasons == {"unusable field": 1}


def test_a_split_of_which_all_rows_are_left_out_is_an_error(rte_options):
    with pytest.raises(DataError, match="30 × left out by the row function <lambda>"):
        build(rte_options, lambda row: None)


def test_the_definition_changes_with_the_row_functions():
    rte = get_task("rte")
    digests = {
        definition_digest(dataclasses.replace(rte, row_functions=functions))
        for functions in ((), (drop_odd,), (say_twice,), (drop_odd, say_twice))
    }
    assert len(digests) == 4


def test_inputs_that_occur_in_two_splits_are_counted(rte_options, rte_data):
    manifest = build_dataset(rte_options(), report=lambda line: None)
    task = manifest.task("rte")
    assert task.split("train").duplicates == {"validation": 5, "test": 4}
    assert task.split("validation").duplicates == {"train": 5}
    rows = "".join(f"{i}\tother {i}\tthing\tentailment\n" for i in range(5))
    (rte_data / "rte" / "val.tsv").write_text(rows)
    manifest = build_dataset(rte_options(force=True), report=lambda line: None)
    assert manifest.task("rte").split("validation").duplicates == {}
    (rte_data / "rte" / "val.tsv").write_text(rows + rows)  # figures of five, ten times
    manifest = build_dataset(rte_options(force=True), report=lambda line: None)
    assert manifest.task("rte").split("validation").duplicates == {"itself": 5}
    assert load_manifest(rte_options().out) == manifest


NOT_NUMBERS = (
    "n/a",
    "high",
    "4,5",
    "inf",
    "-Infinity",
    "nan",
    "1_000",
    "٣",
    "1e999",
    "1" * 400,
    "--1",
    ".",
)
NUMBERS = ("-1", "4.50", "+0.5", ".5", "5.", "1e-3", 3, 2.75, " 4 ")


def test_targets_of_a_regression_are_finite_numbers():
    regression = dataclasses.replace(
        get_task("rte"), kind="regression", labels={}, targets="{score}", fields=("score",)
    )
    make = row_to_example(regression)
    row = {"sentence1": "a", "sentence2": "b"}
    for value in NOT_NUMBERS:
        with pytest.raises(RowError, match=r"^not a number: "):
            make({**row, "score": value})
    for value in NUMBERS:
        assert make({**row, "score": value}).targets == str(value)
        assert math.isfinite(float(str(value)))
