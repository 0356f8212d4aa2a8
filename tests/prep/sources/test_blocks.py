import gzip
import json

import pytest

from prep.errors import DataError
from prep.sources.blocks import columns_of, parse_block, read_blocks, row_keys
from prep.sources.declarations import FileSpec
from prep.sources.row import RowError

BLOCK_ROWS = 2
INVALID = "invalid UTF-8: byte 0xff after 1 characters"


def read(path, spec):
    blocks = list(read_blocks(path, spec, BLOCK_ROWS))
    assert all(block.count == len(row_keys(block)) for block in blocks)
    return [row for block in blocks for row in parse_block(block)]


def reasons(rows):
    return [str(row) if isinstance(row, RowError) else None for row in rows]


def test_tsv_with_byte_order_mark_crlf_and_no_final_newline(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfx\ty\r\n1\t2\r\n3\t4\r\n5\t6")
    rows = read(path, FileSpec("a.tsv", "tsv"))
    assert rows == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}, {"x": "5", "y": "6"}]


def test_a_lone_quote_in_tsv_is_an_ordinary_character(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('say "hello\t1\nbye\t0\n"quoted"\t1\n')
    rows = read(path, FileSpec("a.tsv", "tsv", columns=("text", "label")))
    assert [row["text"] for row in rows] == ['say "hello', "bye", '"quoted"']


def test_unicode_line_separators_do_not_end_a_row(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\u2028b\x0bc\x85d\t1\n")
    assert read(path, FileSpec("a", "tsv", columns=("text", "label"))) == [
        {"text": "a\u2028b\x0bc\x85d", "label": "1"}
    ]


def test_csv_honours_quotes_line_feeds_and_other_delimiters(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'"one, ""two""\nthree";1\r\nfour;2\r\nfive;3')
    rows = read(path, FileSpec("a.csv", "csv", columns=("text", "label"), delimiter=";"))
    assert [row["text"] for row in rows] == ['one, "two"\nthree', "four", "five"]


def test_csv_with_byte_order_mark_and_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\na,1\r\n")
    assert read(path, FileSpec("a.csv", "csv")) == [{"text": "a", "label": "1"}]


def test_csv_field_beyond_the_usual_limit(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x" * 200_000 + ",1\n")
    rows = read(path, FileSpec("a.csv", "csv", columns=("text", "label")))
    assert len(rows[0]["text"]) == 200_000


def test_jsonl_with_nested_and_bad_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": {"stem": "x"}, "label": true}\n{broken\n[1]\n\n{"q": 1}\n')
    rows = read(path, FileSpec("a.jsonl", "jsonl"))
    assert rows[0] == {"q": {"stem": "x"}, "label": True}
    assert [error.split(":")[0] if error else None for error in reasons(rows)] == [
        None, "invalid JSON", "invalid JSON", "blank line", None
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        ' {"q": 1}',
        '{"q": 1} \t',
        '{"q": 1}{"q": 2}',
        '{"q": 1},',
        '{"q": NaN, "r": 123456789012345678901234567890}',
        '{"q": "\\ud800"}',
        '\ufeff{"q": 1}',
        "1",
        '"q"',
        "nul",
    ],
)
def test_a_line_of_jsonl_is_what_json_makes_of_it(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": 0}\n' + line + "\n", encoding="utf-8")
    row = read(path, FileSpec("a.jsonl", "jsonl"))[1]
    try:
        expected = json.loads(line)
    except ValueError as error:
        assert str(row) == f"invalid JSON: {error}"
    else:
        if isinstance(expected, dict):
            assert repr(row) == repr(expected)  # NaN is not equal to itself
        else:
            assert str(row) == "invalid JSON: not an object"


def test_invalid_utf8_is_rejected_row_by_row(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"good\t1\nb\xffad\t1\ng\xc3\xbcte\t0\n")
    rows = read(path, FileSpec("a.tsv", "tsv", columns=("text", "label")))
    assert reasons(rows) == [None, f"{INVALID}; encoding latin-1 would read it", None]
    assert rows[2]["text"] == "güte"


def test_invalid_utf8_in_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"good,1\nb\xffad,1\n")
    rows = read(path, FileSpec("a.csv", "csv", columns=("text", "label")))
    assert reasons(rows)[1].startswith("invalid UTF-8")


def test_another_encoding(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("привет\t1\n".encode("cp1251"))
    spec = FileSpec("a.tsv", "tsv", columns=("text", "label"), encoding="cp1251")
    assert read(path, spec)[0]["text"] == "привет"


def test_wrong_number_of_columns(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n1\t2\n1\n1\t2\t3\n")
    assert reasons(read(path, FileSpec("a.tsv", "tsv"))) == [
        None,
        "wrong number of columns: expected 2, found 1",
        "wrong number of columns: expected 2, found 3",
    ]


@pytest.mark.parametrize("file_format", ["csv", "tsv", "jsonl", "lines"])
def test_gzip_is_recognised_by_content(tmp_path, file_format):
    content = {"jsonl": '{"x": "1"}\n'}.get(file_format, "x\n1\n")
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_text(content)
    packed.write_bytes(gzip.compress(content.encode()))
    spec = FileSpec("a", file_format)
    assert read(packed, spec) == read(plain, spec)


def test_a_truncated_gzip_file_is_a_data_error(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"x\n" * 100_000)[:-20])
    with pytest.raises(DataError, match=r"a\.tsv\.gz is a corrupt or truncated gzip"):
        read(path, FileSpec("a.tsv", "tsv"))


def test_an_empty_file_is_a_data_error(tmp_path):
    path = tmp_path / "a.tsv"
    path.touch()
    with pytest.raises(DataError, match="is empty: expected a header"):
        read(path, FileSpec("a.tsv", "tsv"))


def test_row_numbers_count_the_header(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\n" + "".join(f"{i}\n" for i in range(5)))
    blocks = list(read_blocks(path, FileSpec("a.tsv", "tsv"), BLOCK_ROWS))
    assert [(block.first_row, block.first_index, block.count) for block in blocks] == [
        (2, 0, 2), (4, 2, 2), (6, 4, 1)
    ]  # fmt: skip


def test_columns_come_from_the_header_or_the_first_object(tmp_path):
    (tmp_path / "a.tsv").write_text("x\t y \n1\t2\n")
    (tmp_path / "a.jsonl").write_text('{"p": 1, "q": 2}\n')
    assert columns_of(tmp_path / "a.tsv", FileSpec("a.tsv", "tsv")) == ("x", "y")
    assert columns_of(tmp_path / "a.jsonl", FileSpec("a.jsonl", "jsonl")) == ("p", "q")
