"""What the pages of docs/ say is done, and comes out as they say."""

import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from adapters_tf import METHODS
from eval import METRICS
from tests.docs.pages import Block, commands_of, is_like, read_blocks, run_page

DOCS = Path(__file__).parents[2] / "docs"
# Every one of them has a test below.
PAGES_THAT_RUN = (
    "adding-a-method.md",
    "adding-a-metric.md",
    "adding-a-task.md",
    "architecture.md",
    "heads.md",
)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a page in a folder of its own; what it registers and imports is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(METRICS), patch.dict(METHODS):
        yield lambda page: run_page(DOCS / page, tmp_path)
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


def test_the_page_on_tasks(run):
    run("adding-a-task.md")


def test_the_page_on_metrics(run):
    run("adding-a-metric.md")


@pytest.mark.slow
def test_the_page_on_methods(run):
    run("adding-a-method.md")


@pytest.mark.slow
def test_the_page_on_heads(run):
    run("heads.md")


@pytest.mark.slow
def test_the_page_on_architecture(run):
    run("architecture.md")


@pytest.mark.parametrize(
    ("said", "printed", "expected"),
    [
        ("a b", "a b \n", True),
        ("a b", "a c", False),
        ("a … c", "a lot\nof c", True),
        ("a … c", "a lot", False),
        ("loss 0.25", "loss 0.26", False),
    ],
)
def test_outputs_are_compared(said, printed, expected):
    assert is_like(said, printed) == expected


def test_decimals_may_vary_and_nothing_else():
    assert is_like("step 3: loss 0.25, 1e-05", "step 3: loss 1.5, 1e-05", decimals_vary=True)
    assert not is_like("step 3: loss 0.25", "step 4: loss 0.25", decimals_vary=True)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<!-- run -->\n```python\nprint(1 + 1)\n```\n<!-- output -->\n```\n3\n```\n", "page.md:7"),
        ("<!-- rnu -->\n```python\n```\n", "page.md:3: no block is 'rnu'"),
        ("<!-- run -->\n```\npython -m prep tasks --nothing\n```\n", "ended with 2"),
    ],
)
def test_a_page_that_does_not_come_true_fails(body, problem, run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(body)
    with pytest.raises(AssertionError) as caught:
        run(page)
    assert problem in str(caught.value)


def test_blocks_and_commands_are_read(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n\n<!-- file: a/b.csv -->\n```csv\nx,y\n```\n\n```python\nnever\n```\n")
    assert read_blocks(page) == [Block("file: a/b.csv", "csv", "x,y\n", 5)]
    run_page(page, tmp_path)
    assert (tmp_path / "a" / "b.csv").read_text() == "x,y\n"
    text = "python -m prep build \\\n    --out 'a b'\n# a remark\npython -m eval\n"
    expected = [["python", "-m", "prep", "build", "--out", "a b"], ["python", "-m", "eval"]]
    assert commands_of(text) == expected
