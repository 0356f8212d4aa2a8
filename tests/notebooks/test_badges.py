"""Badges for an address that is known later."""

import json
from pathlib import Path

import pytest

from notebooks import badges

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAME = "train_on_tpu.ipynb"


@pytest.fixture
def text():
    return (NOTEBOOKS / NAME).read_text(encoding="utf-8")


def test_a_badge_opens_the_notebook_and_its_first_cell_clones(text):
    before, after = (json.loads(one) for one in (text, badges.with_badge(text, NAME, "a/b", "v1")))
    title, badge = "".join(after["cells"][0]["source"]).split("\n\n")[:2]
    assert title == before["cells"][0]["source"][0].strip()
    assert badge.endswith(
        "(https://colab.research.google.com/github/a/b/blob/v1/notebooks/train_on_tpu.ipynb)"
    )
    cloned = [line for line in after["cells"][1]["source"] if line.startswith("REPOSITORY")]
    assert cloned[0].startswith('REPOSITORY = "https://github.com/a/b"  # ')
    assert after["cells"][2:] == before["cells"][2:]


def test_a_second_address_replaces_the_first(text):
    first = badges.with_badge(text, NAME, "a/b", "main")
    assert badges.with_badge(first, NAME, "c/d", "main") == badges.with_badge(
        text, NAME, "c/d", "main"
    )


def test_all_notebooks_get_theirs(text, tmp_path, monkeypatch, capsys):
    for file in NOTEBOOKS.glob("*.ipynb"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(badges, "HERE", tmp_path)
    badges.main(["a/b", "--branch", "main"])
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert (tmp_path / NAME).read_text(encoding="utf-8") == badges.with_badge(
        text, NAME, "a/b", "main"
    )


@pytest.mark.parametrize("given", ["https://github.com/a/b", "a", "a/b/c", ""])
def test_what_is_no_repository_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        badges.main([given])
    assert "OWNER/NAME" in capsys.readouterr().err
