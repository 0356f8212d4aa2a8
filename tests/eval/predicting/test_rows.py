import gzip
import io

import pytest

from eval.predicting.rows import RowFile, choose_wording
from prep import UsageError


def read(path, column=None, template=None, at_once=2):
    parts = list(RowFile(str(path), column, template).read(at_once))
    return [row for part in parts for row in part], [len(part) for part in parts]


def test_a_closed_standard_input_is_told(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="standard input is closed; give texts with --text"):
        RowFile("-", None, None)


def test_rows_come_in_order_and_in_parts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"one, ""two"""\n2,three\n3,четыре\n')
    rows, parts = read(path)
    assert [row.text for row in rows] == ['one, "two"', "three", "четыре"]
    assert rows[2].fields == {"id": "3", "text": "четыре"} and parts == [2, 1]


def test_columns_lie_between_what_the_first_lines_tell(tmp_path, capsys):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress('id;text\n1;"one; two"\n2;größe, viel\n'.encode("cp1252")))
    rows = [row for part in RowFile(str(path), None, None, "cp1252").read(9) for row in part]
    assert [row.text for row in rows] == ["one; two", "größe, viel"]
    assert "note: the columns of a.csv.gz lie between ';'" in capsys.readouterr().err
    path.write_bytes(gzip.compress(b"text\none; two\nthree | four; five\n"))
    assert [row.text for row in read(path)[0]] == ["one; two", "three | four; five"]
    assert capsys.readouterr().err.count("lie between") == 0


def test_texts_are_put_together_from_columns(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": "x", "b": 2}\n{"a": "y"}\n{"a": "z", "b": "w"}\n'))
    rows, _ = read(path, template="t a: {a} b: {b}")
    assert [row.text for row in rows] == ["t a: x b: 2", "", "t a: z b: w"]
    assert rows[1].fault == "field is missing: 'b'" and rows[1].fields == {"a": "y"}


def test_what_is_no_text_is_a_fault_and_keeps_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"input": "x"}\n{"input": 3}\nnot json\n{"input": " "}\n{"input": "y"}\n')
    rows, _ = read(path)
    assert [row.text for row in rows] == ["x", "", "", "", "y"]
    faults = [row.fault.split(":")[0] for row in rows]
    assert faults[1] == "field is no text" and faults[2] and faults[3] == "text is empty"


def test_what_no_template_or_encoding_can_hold_is_a_fault(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        '{"a": "x", "b": 1}',
        '{"a": null, "b": 2}',
        '{"a": "y\\ud800", "b": 3}',
        '{"a": "z", "b": []}',
        '{"a": "  ", "b": 4}',
    ]
    path.write_text("\n".join(lines))
    rows, _ = read(path, template="t {a} {b:>2}")
    assert [row.text for row in rows] == ["t x  1", "", "", "", ""]
    assert [row.fault.split(":")[0] for row in rows[1:]] == [
        "field is missing",
        "lone surrogate",
        "field does not fit the template",
        "empty field",
    ]


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16"])
def test_a_file_of_another_encoding(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("text,id\nчетыре,4\n".encode(encoding))
    file = RowFile(str(path), None, None, encoding)
    assert [row.text for part in file.read(5) for row in part] == ["четыре"]
    assert file.describe()["encoding"] == encoding
    with pytest.raises(UsageError, match="there is no encoding 'cp9251'"):
        RowFile(str(path), None, None, "cp9251")


def test_lines_of_a_text_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\n\ntwo\n\n\n")
    rows, parts = read(path)
    assert [row.text for row in rows] == ["one", "", "two"] and parts == [2, 1]
    assert [bool(row.fault) for row in rows] == [False, True, False]


def test_standard_input_has_a_text_on_each_line(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\nthree\n\udcff\n\n \n"))
    rows, parts = read("-")
    assert [row.text for row in rows] == ["one", "", "three", ""] and parts == [2, 2]
    assert [bool(row.fault) for row in rows] == [False, True, False, True]


@pytest.mark.parametrize(
    ("columns", "column", "template", "message"),
    [
        (("premise", "claim"), None, None, "which column is the text.*premise, claim"),
        (("premise", "claim"), "clam", None, "none named 'clam'; did you mean 'claim'"),
        (("premise",), None, "x {premis}", "no column 'premis'; did you mean 'premise'"),
        (("premise",), None, "x {premise", "template"),
        (("premise",), None, "premise", "no {column} in it"),
        (("premise",), "premise", "{premise}", "give one"),
    ],
)
def test_what_the_text_is_must_be_clear(columns, column, template, message):
    with pytest.raises(UsageError, match=message):
        choose_wording(columns, column, template)


def test_the_one_column_or_the_usual_one_is_taken():
    assert choose_wording(("question",), None, None).column == "question"
    assert choose_wording(("id", "inputs"), None, None).column == "inputs"


def test_an_unknown_ending_is_refused(tmp_path):
    path = tmp_path / "a.docx"
    path.write_text("x")
    with pytest.raises(UsageError, match=r"a name that ends in \.csv"):
        RowFile(str(path), None, None)


def test_a_first_line_that_may_be_a_text_is_told(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("it rains\nit snows\n")
    rows, _ = read(path)
    assert [row.text for row in rows] == ["it snows"]
    assert (
        "the first line of a.csv is its header: the texts' is 'it rains'" in capsys.readouterr().err
    )
    read(path, column="it rains")
    assert not capsys.readouterr().err
