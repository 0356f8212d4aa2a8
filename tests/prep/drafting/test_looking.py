import gzip
import json

import openpyxl
import pytest

from prep.drafting.looking import find_delimiter, look_at, why_no_header
from prep.errors import DataError, UsageError


def seen(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return look_at(path)


def test_a_plain_file_needs_no_note(tmp_path):
    found = seen(tmp_path, 'text,label\n"one, two",a\nthree,b\n')
    assert found.columns == ("text", "label") and found.notes == () and found.is_whole
    assert [row["text"] for row in found.rows] == ["one, two", "three"]
    assert (found.spec.encoding, found.spec.delimiter) == ("utf-8", "")


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16", "utf-8"])
def test_encodings_are_found(tmp_path, encoding):
    lines = "текст;ответ\n" + "".join(f"длинный текст номер {n};да\n" for n in range(50))
    found = seen(tmp_path, lines.encode(encoding))
    assert found.columns == ("текст", "ответ") and found.rows[0]["ответ"] == "да"
    assert (found.spec.encoding, found.spec.delimiter) == (encoding, ";")
    assert any("columns lie between ';'" in note for note in found.notes)


def test_a_byte_that_is_late_no_utf8_tells(tmp_path):
    lines = ["text,label\n", *["plain words here,yes\n"] * 20_000, "déjà vu à côté,no\n"]
    assert seen(tmp_path, "".join(lines).encode("latin-1")).spec.encoding == "latin-1"


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["a,b\n", "1,2\n"], ","),
        (["a;b,c\n", "1,5;2,5\n", "2,5;3,5\n"], ";"),
        (["a|b\n", "x, y|z\n"], "|"),
        (["only one column\n", "of texts\n"], ","),
        (['"a";"b;c"\n', '"1";"2;3"\n'], ";"),
    ],
)
def test_delimiters(lines, delimiter):
    assert find_delimiter(lines) == delimiter


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([["text", "label"], ["x", "y"]], ""),
        ([["good film", "positive"], ["bad", "positive"]], "'positive' is in that column again"),
        ([["text", "0"], ["x", "1"]], "0 is a number"),
        ([["I liked this film very much", "pos"], ["x", "neg"]], "is long"),
        ([["a", "a"], ["x", "y"]], ""),
        ([["", "text"], ["0", "x"]], ""),
    ],
)
def test_headers(table, reason):
    assert reason in why_no_header(table) and bool(reason) == bool(why_no_header(table))


def test_columns_without_a_header_are_numbered(tmp_path):
    found = seen(tmp_path, "good film,pos\nbad film,neg\nfine,pos\n")
    assert found.columns == ("column1", "column2") and len(found.rows) == 3


def test_json_documents_and_lines(tmp_path):
    rows = [{"q": "x", "a": ["y", "z"]}, {"q": "v", "a": []}]
    document = seen(tmp_path, json.dumps({"version": 1, "data": rows}), "a.json")
    assert document.spec.records == ("data",) and "the list 'data'" in document.notes[0]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert seen(tmp_path, gzip.compress(lines.encode()), "a.jsonl.gz").rows == rows
    assert seen(tmp_path, lines + "no json\n", "b.ndjson").faults


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.xyz", "x", UsageError, "expected a name that ends in .csv"),
        ("a.csv", "", DataError, "is empty"),
        ("a.csv", "text,label\n", DataError, "has no rows"),
        ("a.csv", "text,text\nx,y\n", DataError, "'text'"),
        ("a.jsonl", "[1]\n[2]\n", DataError, "none of its first 2 rows can be read"),
    ],
)
def test_what_cannot_be_looked_at(tmp_path, name, content, error, message):
    with pytest.raises(error, match=message):
        seen(tmp_path, content, name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        look_at(tmp_path / "nothing.csv")


def test_half_a_character_is_a_fault_of_its_row_and_no_name(tmp_path):
    found = seen(tmp_path, '{"text": "a"}\n{"text": "\\ud800"}\n', "a.jsonl")
    assert len(found.rows) == 1 and found.faults == ["lone surrogate: U+D800 after 0 characters"]
    with pytest.raises(DataError, match=r"column 't.ud800' is no text: lone surrogate"):
        seen(tmp_path, '{"t\\ud800": "a"}\n', "a.jsonl")


def test_the_sheet_with_the_rows_is_found(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "About"
    book.active.append(["made by", "me"])
    for name in ("Data", "More"):
        sheet = book.create_sheet(name)
        for row in [["text", "label"], *([f"words {n}", "ab"[n % 2]] for n in range(9))]:
            sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    found = look_at(tmp_path / "a.xlsx")
    assert (found.spec.sheet, found.columns, len(found.rows)) == ("Data", ("text", "label"), 9)
    assert found.notes == ("of its sheets About, Data, More it is 'Data' that is read",)
