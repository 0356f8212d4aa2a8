"""Excel, paragraphs, files side by side, and zstd: read through a task file, as a person would."""

import datetime

import openpyxl
import pyarrow
import pytest

from prep import DataError, UsageError
from prep.sources.blocks import parse_block
from prep.sources.row import RowError
from prep.splits.finding import plan_task
from prep.tasks.tasks_file import load_tasks

TASK = """
- name: mine
  kind: generation
  files: {{train: {file}}}
  inputs: "{inputs}"
  targets: "{targets}"
  metrics: [bleu]
"""


@pytest.fixture
def rows_of(tmp_path):
    """The rows of a task whose one file is declared as given, and its plan."""

    def read(file, inputs="{a}", targets="{b}"):
        tasks = tmp_path / "tasks.yaml"
        tasks.write_text(TASK.format(file=file, inputs=inputs, targets=targets))
        [task] = load_tasks(tasks)
        plan = plan_task(task, tmp_path, 3)
        rows = [row for block in plan.splits[0].open_blocks() for row in parse_block(block)]
        assert plan.splits[0].rows == len(rows)
        return rows, plan

    (tmp_path / "mine").mkdir()
    return read


@pytest.fixture
def folder(tmp_path, rows_of):
    return tmp_path / "mine"


def zstd(path, content):
    with pyarrow.CompressedOutputStream(pyarrow.OSFile(str(path), "wb"), "zstd") as file:
        file.write(content)
    return path


def test_lines_of_two_files_belong_together(rows_of, folder):
    (folder / "train.en").write_text("a house\nthe cat\u2028sat\n\n\nend", encoding="utf-8")
    (folder / "train.de").write_bytes(b"ein Haus\r\ndie Katze\r\n\r\nleer\r\nEnde\r\n")
    rows, plan = rows_of("{parallel: {a: train.en, b: train.de}}")
    assert rows[:2] == [
        {"a": "a house", "b": "ein Haus"},
        {"a": "the cat\u2028sat", "b": "die Katze"},
    ]
    assert isinstance(rows[2], RowError) and rows[3] == {"a": "", "b": "leer"}
    assert rows[4] == {"a": "end", "b": "Ende"}
    assert [(source.file, source.rows) for source in plan.sources] == [
        ("mine/train.en", 5),
        ("mine/train.de", 5),
    ]
    (folder / "train.de").write_text("ein Haus\ndie Maus\n\nleer\nEnde\n")
    assert rows_of("{parallel: {a: train.en, b: train.de}}")[1].sources != plan.sources


def test_three_files_of_another_encoding_compressed(rows_of, folder):
    for name, text in {"x.a": "äh\nja", "x.b": "öh\nnein", "x.c": "1\n2"}.items():
        (folder / name).write_bytes(text.encode("utf-16"))
    rows, _ = rows_of("{parallel: {a: x.a, b: x.b, c: x.c}, encoding: utf-16}", targets="{b} {c}")
    assert rows == [{"a": "äh", "b": "öh", "c": "1"}, {"a": "ja", "b": "nein", "c": "2"}]


def test_files_of_different_lengths_do_not_belong_together(rows_of, folder):
    (folder / "l.en").write_text("1\n2\n3\n")
    (folder / "l.de").write_text("eins\nzwei\n")
    with pytest.raises(DataError, match=r"l\.de ends after 2 lines, and .*l\.en goes on"):
        rows_of("{parallel: {a: l.en, b: l.de}}")
    with pytest.raises(DataError, match=r"missing mine/l\.fr"):
        rows_of("{parallel: {a: l.en, b: l.fr}}")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("{parallel: {a: x}}", "two files or more"),
        ("{parallel: {a: '*.en', b: y.de}}", "named one by one"),
        ("{parallel: {a: x, b: y}, columns: [a]}", "no key 'columns'"),
        ("{name: x.txt, format: parallel}", "a column each"),
        ("{name: x.csv, sheet: one}", "sheet is for files of format excel, not csv"),
        ("{name: x.tsv, escape: '%'}", "escape is for files of format csv, not tsv"),
        ("{name: x.txt, columns: [a]}", "columns is for files of format csv or tsv or"),
        ("{name: x.jsonl, delimiter: ';'}", "delimiter is for files of format csv or tsv, not"),
        ("{name: x.jsonl, records: [a]}", "records is for files of format json, not jsonl"),
        ("{name: x.parquet, encoding: latin-1}", "encoding is for texts"),
    ],
)
def test_what_cannot_be(rows_of, file, message):
    with pytest.raises(UsageError, match=message):
        rows_of(file)


@pytest.mark.parametrize(
    ("name", "text", "file"),
    [
        ("t.csv", "1,x\n", "{name: t.csv, columns: [n, old], rename: {old: a, n: b}}"),
        ("t.tsv", "1\tx\n", "{name: t.tsv, columns: [n, old], rename: {old: a, n: b}}"),
        ("t.csv", "n,old\n1,x\n", "{name: t.csv, rename: {old: a, n: b}}"),
    ],
)
def test_columns_are_renamed_wherever_their_names_are_from(rows_of, folder, name, text, file):
    (folder / name).write_text(text)
    assert rows_of(file)[0] == [{"b": "1", "a": "x"}]


def test_the_field_of_lines_is_renamed(rows_of, folder):
    (folder / "l.txt").write_text("one\ntwo\n")
    rows, _ = rows_of("{name: l.txt, rename: {line: a}}", "{a}", "{a}")
    assert rows == [{"a": "one"}, {"a": "two"}]


def test_paragraphs_of_several_lines(rows_of, folder):
    text = "\ufeff\n\nFirst line,\nsecond line.\r\n \t\nAlone.\n\n\n\nLast\none"
    (folder / "book.txt").write_text(text, encoding="utf-8", newline="")
    rows, _ = rows_of("{name: book.txt, format: paragraphs}", "{text}", "{text}")
    assert [row["text"] for row in rows] == ["First line,\nsecond line.", "Alone.", "Last\none"]
    (folder / "book.txt").write_bytes(b"sound\n\nbr\xf6ken\n\nsound")
    rows, _ = rows_of("{name: book.txt, format: paragraphs}", "{text}", "{text}")
    assert isinstance(rows[1], RowError) and "invalid UTF-8" in str(rows[1])
    assert [rows[0]["text"], rows[2]["text"]] == ["sound", "sound"]


def save_book(path, rows, sheet="Sheet"):
    book = openpyxl.Workbook()
    book.active.append(["other"])
    page = book.create_sheet(sheet, 0)
    for row in rows:
        page.append(row)
    book.save(path)


def test_a_sheet_of_excel(rows_of, folder):
    day = datetime.date(2026, 1, 2)
    save_book(
        folder / "book.xlsx",
        [["a", "b", None], ["ж", 1], [], [2.5, True, None], ["only"], [day, "x", "too many"]],
    )
    rows, _ = rows_of("book.xlsx")
    assert rows[0] == {"a": "ж", "b": 1} and isinstance(rows[1], RowError)
    assert rows[2:4] == [{"a": 2.5, "b": True}, {"a": "only"}]
    assert isinstance(rows[4], RowError) and "more than the 2" in str(rows[4])
    save_book(folder / "book.xlsx", [["#N/A", "b"], [day, "#DIV/0!"], [day, "x"]], "Data")
    rows, _ = rows_of("{name: book.xlsx, sheet: Data, columns: [a, b]}")
    assert all(isinstance(row, RowError) for row in rows[:2]) and "#DIV/0! in B2" in str(rows[1])
    assert rows[2] == {"a": "2026-01-02", "b": "x"}


def test_what_is_wrong_with_a_workbook(rows_of, folder):
    save_book(folder / "book.xlsx", [["a", "b", "a"], [1, 2, 3]])
    with pytest.raises(DataError, match=r"several columns have one name: 'a' \(2 times\)"):
        rows_of("book.xlsx")
    with pytest.raises(DataError, match="no sheet 'Shet'; it has Sheet"):
        rows_of("{name: book.xlsx, sheet: Shet}")
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DataError, match="is no Excel workbook"):
        rows_of("book.xlsx")


def test_files_compressed_with_zstd(rows_of, folder):
    lines = b"a,b\n" + b"".join(b"text %d,%d\n" % (number, number) for number in range(5000))
    whole = zstd(folder / "train.csv.zst", lines).read_bytes()
    assert [row["b"] for row in rows_of("train.csv")[0]] == [str(n) for n in range(5000)]
    objects = b"".join(b'{"a": "%d", "b": "x"}\n' % number for number in range(50))
    zstd(folder / "some.jsonl.zst", objects)
    assert [row["a"] for row in rows_of("some.jsonl")[0]] == [str(n) for n in range(50)]
    (folder / "train.csv.zst").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train\.csv\.zst is a corrupt or truncated zstd file"):
        rows_of("train.csv")
