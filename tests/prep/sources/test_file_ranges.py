"""Where the lines of a file lie."""

import random

import pytest

from prep.errors import DataError
from prep.sources import file_ranges
from prep.sources.file_ranges import FileRange, find_lines

CONTENTS = [b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\n\n", b"ab\n\nc\nde\nf", b"ab\n\nc\nde\nf\n"]


def random_content(seed: int) -> bytes:
    return bytes(random.Random(seed).choices(b"ab\n", k=seed))


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("lines_per_range", [1, 2, 3, 50])
@pytest.mark.parametrize(
    "content", CONTENTS + [random_content(seed) for seed in range(20, 120, 20)]
)
def test_ranges_hold_every_line_once_and_in_order(
    tmp_path, monkeypatch, content, lines_per_range, chunk_bytes
):
    monkeypatch.setattr(file_ranges, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "a.txt"
    path.write_bytes(b"header\n" + content)
    lines = content.splitlines(keepends=True)
    expected = [
        lines[start : start + lines_per_range] for start in range(0, len(lines), lines_per_range)
    ]
    found = [(part.read(), count) for part, count in find_lines(path, 7, lines_per_range)]
    assert found == [(b"".join(part), len(part)) for part in expected]


def test_a_file_that_became_shorter_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\n")
    (part, _), *_ = find_lines(path, 0, 2)
    path.write_bytes(b"one\n")
    with pytest.raises(DataError, match=r"a\.txt became shorter while it was being read"):
        part.read()


def test_a_file_that_is_gone_is_the_tasks_fault(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder: .*a\.txt"):
        FileRange(tmp_path / "a.txt", 0, 3).read()
