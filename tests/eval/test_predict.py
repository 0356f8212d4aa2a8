import pytest

from eval.predict import check_source, make_parser
from prep import UsageError


def source(*arguments):
    words = ["--run", "r", "--task", "t", *map(str, arguments)]
    return check_source(make_parser().parse_args(words))


def test_the_file_of_texts_is_not_written_over(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("one\n")
    link.symlink_to(path)
    for out in (path, link):
        with pytest.raises(UsageError, match="is --file itself"):
            source("--file", path, "--out", out)
    assert source("--file", path, "--out", tmp_path / "b.txt").columns == ("line",)
