import dataclasses

import numpy as np
import pytest

from prep.errors import DataError, UsageError
from prep.sources.declarations import Carve, FileSource, FileSpec, Layout
from prep.splits import finding
from prep.splits.carving import carve_rows
from prep.splits.finding import plan_task
from prep.tasks import get_task

RTE = get_task("rte")


def test_the_first_complete_layout_is_used(rte_data):
    plan = plan_task(RTE, rte_data, 8)
    assert {split.split: split.rows for split in plan.splits} == {
        "train": 30,
        "validation": 5,
        "test": 4,
    }
    (rte_data / "rte" / "val.tsv").unlink()
    plan = plan_task(RTE, rte_data, 8)
    assert {split.split: split.rows for split in plan.splits} == {"train": 30, "validation": 4}


def test_the_official_name_of_the_folder_is_found_as_well(rte_data):
    (rte_data / "rte").rename(rte_data / "RTE")
    assert plan_task(RTE, rte_data, 8).sources[0].file == "RTE/train.tsv"


def test_missing_files_are_named(rte_data):
    (rte_data / "rte" / "train.tsv").unlink()
    (rte_data / "rte" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"rte/train\.tsv.*rte/dev\.tsv"):
        plan_task(RTE, rte_data, 8)


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no data folder at .*nowhere"):
        plan_task(RTE, tmp_path / "nowhere", 8)


def test_files_need_a_data_folder():
    with pytest.raises(UsageError, match="with `data_dir`"):
        plan_task(RTE, None, 8)


def test_a_missing_column_is_named_with_the_columns_present(rte_data):
    path = rte_data / "rte" / "train.tsv"
    path.write_text(path.read_text().replace("sentence2", "sentnce2"))
    message = r"needs the column 'sentence2'.*index, sentence1, sentnce2.*did you mean 'sentnce2'"
    with pytest.raises(DataError, match=message):
        plan_task(RTE, rte_data, 8)


def test_a_file_without_rows_is_named(rte_data):
    (rte_data / "rte" / "val.tsv").write_text("")
    with pytest.raises(DataError, match=r"val\.tsv has no rows"):
        plan_task(RTE, rte_data, 8)


def test_generated_tasks_need_no_data_folder():
    plan = plan_task(get_task("synthetic_choice"), None, 1000)
    assert [split.split for split in plan.splits] == ["train", "validation", "test"]
    assert len({source.sha256 for source in plan.sources}) == 3


@pytest.fixture
def carved_task(tmp_path, write_jsonl):
    rows = [{"sentence1": f"s{i % 50}", "sentence2": "x", "label": "entailment"} for i in range(80)]
    write_jsonl(tmp_path / "rte" / "dev.jsonl", rows)
    layout = Layout(
        {"validation": FileSpec("dev.jsonl", "jsonl")}, carve=Carve("train", "validation", 0.75)
    )
    return dataclasses.replace(RTE, source=FileSource(("rte",), (layout,)))


def test_a_carved_split_shares_no_row_with_the_rest(carved_task, tmp_path):
    plan = plan_task(carved_task, tmp_path, 16)
    train, validation = plan.splits
    assert (train.split, validation.split) == ("train", "validation")
    assert (train.is_member ^ validation.is_member).all()
    texts = np.array([i % 50 for i in range(80)])
    assert not set(texts[train.is_member]) & set(texts[validation.is_member])
    assert abs(train.rows - 60) <= 1
    assert plan.sources[0].splits == ("train", "validation")
    assert plan.sources[0].rows == 80
    assert "carved out of rte/dev.jsonl" in plan.notes[0]


def test_carving_depends_on_the_seed_alone():
    keys = [str(i).encode() for i in range(100)]
    first, again, other = (carve_rows(keys, 80, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert first.sum() == other.sum() == 80


def test_a_pattern_stands_for_all_files_that_match_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "rte"
    folder.mkdir()
    for name in ("part-2.tsv", "part-1.tsv", "part-10.tsv", "other.tsv"):
        row = f"{name}\ta\tb\tentailment\n"
        (folder / name).write_text("index\tsentence1\tsentence2\tlabel\n" + row)
    layout = Layout({"train": FileSpec("part-*.tsv", "tsv")})
    task = dataclasses.replace(RTE, source=FileSource(("rte",), (layout,)))
    plan = plan_task(task, tmp_path, 8)
    names = [source.file for source in plan.sources]
    assert names == ["rte/part-1.tsv", "rte/part-10.tsv", "rte/part-2.tsv"]
    assert plan.splits[0].rows == 3
    for file in folder.glob("part-*"):
        file.unlink()
    with pytest.raises(DataError, match=r"missing rte/part-\*\.tsv"):
        plan_task(task, tmp_path, 8)
    (folder / "part-*.tsv").write_text("index\tsentence1\tsentence2\tlabel\n1\ta\tb\tentailment\n")
    assert plan_task(task, tmp_path, 8).splits[0].rows == 1  # a file may be called so


def test_a_file_that_changes_while_it_is_read_is_told(rte_data):
    split = plan_task(RTE, rte_data, 8).splits[0]
    blocks = split.open_blocks()
    next(blocks)
    path = rte_data / "rte" / "train.tsv"
    path.write_text(path.read_text().replace("\tnot_entailment", "\tentailment"))
    with pytest.raises(DataError, match=r"train\.tsv has changed while it was read"):
        list(blocks)


def test_a_pattern_takes_no_hidden_files(rte_data):
    for name in ("a.tsv", "b.tsv", "._a.tsv"):
        (rte_data / "rte" / name).write_bytes((rte_data / "rte" / "train.tsv").read_bytes())
    files = {"train": FileSpec("[ab.]*.tsv", "tsv")}
    task = dataclasses.replace(RTE, source=FileSource(("rte",), (Layout(files),)))
    assert [source.file for source in plan_task(task, rte_data, 8).sources] == [
        "rte/a.tsv",
        "rte/b.tsv",
    ]


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("rte/trian.tsv", r"missing rte/train\.tsv.*; did you mean 'rte/trian\.tsv'\?"),
        ("rtee/train.tsv", r"missing rte/train\.tsv.*; did you mean the folder 'rtee'\?"),
        ("rte/notes.md", r"missing rte/train\.tsv$"),
    ],
)
def test_a_missing_file_is_told_with_the_nearest_there_is(tmp_path, there, hint):
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("")
    files = {"train": FileSpec("train.tsv", "tsv")}
    task = dataclasses.replace(RTE, source=FileSource(("rte",), (Layout(files),)))
    with pytest.raises(DataError, match=hint):
        plan_task(task, tmp_path, 8)


def test_columns_of_all_files_are_looked_at_before_any_is_read(rte_data, monkeypatch):
    """A mistake in the last file is not told after an hour of reading the first."""
    looked_at = []
    columns_of = finding.columns_of

    def look(path, spec):
        looked_at.append(path.name)
        return columns_of(path, spec)

    def read(path, spec, rows):
        raise AssertionError(f"{path.name} is read after {looked_at}")

    monkeypatch.setattr(finding, "columns_of", look)
    monkeypatch.setattr(finding, "read_blocks", read)
    with pytest.raises(AssertionError, match=r"train\.tsv is read after \['train\.tsv', 'val\.tsv"):
        plan_task(RTE, rte_data, 8)
