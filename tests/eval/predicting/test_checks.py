import pytest

from eval.predict import make_parser
from eval.predicting.checks import check_counts, check_source
from prep import UsageError


def options(*arguments):
    return make_parser().parse_args(["--run", "r", "--task", "t", *map(str, arguments)])


def source(*arguments):
    return check_source(options(*arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-best", -1], "--n-best is -1; expected 1 or more"),
        (["--batch-size", 0], "--batch-size is 0; expected 1 or more"),
        (["--n-best", 2, "--probabilities"], "give one"),
    ],
)
def test_counts_are_one_or_more_and_what_is_asked_for_is_shown(arguments, message):
    with pytest.raises(UsageError, match=message):
        check_counts(options(*arguments))
    check_counts(options("--n-best", 2, "--probabilities", "--out", "a.csv"))


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UsageError, match=r"--text is no UTF-8: .*U\+DCFF after 4 characters"):
        source("--text", "one ", "--text", "\udcff")


def test_the_file_of_texts_is_not_written_over(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("one\n")
    link.symlink_to(path)
    for out in (path, link):
        with pytest.raises(UsageError, match="is --file itself"):
            source("--file", path, "--out", out)
    assert source("--file", path, "--out", tmp_path / "b.txt").columns == ("line",)
