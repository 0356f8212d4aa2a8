"""An open quote must not swallow the rows after it."""

import gzip

import pyarrow
import pytest
from pyarrow import parquet

from prep.build.dataset import build_dataset
from prep.errors import DataError
from prep.sources import csv_rows
from prep.sources.blocks import columns_of, parse_block, read_blocks
from prep.sources.declarations import FileSpec
from prep.sources.row import RowError
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

GOOD = "".join(f"text {number},{number % 2}\n" for number in range(50))


def read(path, text, **spec):
    path.write_text(text)
    blocks = read_blocks(path, FileSpec(path.name, "csv", **spec), 8)
    return [row for block in blocks for row in parse_block(block)]


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        pytest.param('v,"open\n' + GOOD * 100, 52, id="to the end of the file"),
        pytest.param('v,"open\n' + GOOD + '"w, x",1\n' + GOOD, 52, id="up to the next quote"),
        pytest.param('"two\nlines",1\n"good ""x""\n",1\nv,"open\nw,1\n', 56, id="after others"),
        pytest.param('"two\nlines","open\nw,1\n', 53, id="in a later line of its row"),
        pytest.param('last,"', 52, id="in the last line"),
    ],
)
@pytest.mark.parametrize("open_file", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_open_quote_fails_the_file_with_its_line(tmp_path, tail, line, open_file):
    path = tmp_path / "a.csv"
    path.write_bytes(open_file(("text,label\n" + GOOD + tail).encode()))
    with pytest.raises(DataError, match=rf"a\.csv:{line}: a quoted field opens here and is not"):
        list(read_blocks(path, FileSpec("a.csv", "csv"), 8))


def test_a_field_longer_than_any_is_not_read_to_its_end(tmp_path):
    before = csv_rows.csv.field_size_limit(1000)
    try:
        with pytest.raises(DataError, match=r"a\.csv:2: .* before line \d+ \(field larger than"):
            read(tmp_path / "a.csv", 'text,label\nv,"open\n' + GOOD * 100 + '"')
    finally:
        csv_rows.csv.field_size_limit(before)
    assert before == csv_rows.FIELD_CHARACTERS


def test_a_fault_in_one_line_costs_that_line(tmp_path):
    rows = read(tmp_path / "a.csv", 'text,label\ngood,1\n"a" b,0\n"say \\"hi\\"",1\nfine,0\n')
    assert [isinstance(row, RowError) for row in rows] == [False, True, True, False]
    assert str(rows[1]) == "invalid CSV: line 3: ',' expected after '\"'"


def test_other_tasks_are_built(rte_options, rte_data, tmp_path):
    (rte_data / "bad").mkdir()
    (rte_data / "bad" / "train.csv").write_text("text,label\n" + GOOD + 'v,"open\n' + GOOD)
    (tmp_path / "tasks.yaml").write_text(
        '- {name: bad, kind: generation, inputs: "{text}", targets: "{label}",'
        " metrics: [exact_match], files: {train: train.csv}}\n"
    )
    tasks = (*load_tasks(tmp_path / "tasks.yaml"), get_task("rte"))
    manifest = build_dataset(rte_options(tasks=tasks), report=lambda line: None)
    assert list(manifest.tasks) == ["rte"]
    assert "train.csv:52: a quoted field opens here" in manifest.failed["bad"]


@pytest.mark.parametrize(
    ("name", "content", "spec"),
    [
        ("a.csv", "text,label,text\na,1,b\n", {}),
        ("a.tsv", "text\tlabel\ttext\na\t1\tb\n", {}),
        ("a.csv", "text,label,sentence\na,1,b\n", {"rename": {"sentence": "text"}}),
        ("a.csv", "a,1,b\n", {"columns": ("text", "label", "text")}),
    ],
)
def test_columns_of_one_name_are_refused(tmp_path, name, content, spec):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"several columns have one name: 'text' \(2 times\)"):
        columns_of(tmp_path / name, FileSpec(name, name[2:], **spec))


def test_columns_of_one_name_are_refused_in_parquet(tmp_path):
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 3, names=["text", "b", "text"])
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"several columns have one name: 'text' \(2 times\)"):
        columns_of(tmp_path / "a.parquet", FileSpec("a.parquet", "parquet"))


def test_columns_without_a_name_may_be_several(tmp_path):
    (tmp_path / "a.csv").write_text(",,text\n0,0,a\n")
    assert columns_of(tmp_path / "a.csv", FileSpec("a.csv", "csv")) == ("", "", "text")
