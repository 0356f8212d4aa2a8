"""Two values of one name in a JSON object: a reader keeps the last, and nobody would know."""

import pytest

from prep import DataError
from prep.sources.blocks import columns_of, parse_block, read_blocks
from prep.sources.declarations import FileSpec
from prep.sources.row import RowError

LINES = {
    '{"a": 1, "b": 2}': None,
    '{"a": "x\\": y", "b": {"a": 1}}': None,  # colons in texts and in objects within
    '{"a": 1, "b": [{"c": 1}, {"c": 2}]}': None,
    '{"a": 1, "b": 2, "a": 3}': "a",
    '{"a": 1, "b": {"c": 1, "c": 2}}': "c",
    '{"a" : 1, "b": 2, "a" : 3}': "a",
}


@pytest.mark.parametrize(("line", "name"), LINES.items())
def test_such_a_row_is_rejected_wherever_it_stands(line, name, tmp_path):
    path, spec = tmp_path / "rows.jsonl", FileSpec("rows.jsonl", "jsonl")
    path.write_text('{"a": 1, "b": 2}\n' * 150 + line + "\n")
    rows = [row for block in read_blocks(path, spec, 64) for row in parse_block(block)]
    assert len(rows) == 151 and not any(isinstance(row, RowError) for row in rows[:-1])
    if name is None:
        assert not isinstance(rows[-1], RowError)
    else:
        assert f"'{name}' has two values" in str(rows[-1])


@pytest.mark.parametrize("place", [0, 2])
def test_such_a_row_among_the_first_leaves_the_others(place, tmp_path):
    path, spec = tmp_path / "rows.jsonl", FileSpec("rows.jsonl", "jsonl")
    lines = ['{"a": 1, "b": 2}'] * 4
    lines[place] = '{"a": 1, "a": 2, "b": 2}'
    path.write_text("\n".join(lines))
    assert columns_of(path, spec) == ("a", "b")
    with pytest.raises(DataError, match="several columns have one name: 'a'"):
        columns_of(path, FileSpec("rows.jsonl", "jsonl", rename={"b": "a"}))
    path.write_text(lines[place])
    with pytest.raises(DataError, match="none of its first 1 rows can be read: repeated name"):
        columns_of(path, spec)


def test_such_a_document_is_refused(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, {"a": 1, "b": 2, "b": 3}]')
    with pytest.raises(DataError, match=r"rows\.json.*'b' has two values"):
        columns_of(path, FileSpec("rows.json", "json"))
