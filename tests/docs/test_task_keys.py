"""Every key that a task file may have is in the page on tasks: in a table, and in an example."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from prep.tasks.tasks_file import load_tasks
from prep.tasks.yaml_values import YamlReader
from tests.docs.pages import read_blocks

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-task.md"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """The keys that the code allows in each place, with those of them that the examples have.

    A place is told by its keys. What lies inside of a key is seen only where an example has it, so
    all are seen if all of every place are had.
    """
    had = defaultdict(set)
    mapping = YamlReader.mapping

    def note(self, value, keys=()):
        if keys:
            had[tuple(keys)] |= set(value.content)
        return mapping(self, value, keys)

    monkeypatch.setattr(YamlReader, "mapping", note)
    for block in read_blocks(PAGE):
        if re.fullmatch(r"file: (?!mistaken)\w+\.yaml", block.mark):
            (tmp_path / "tasks.yaml").write_text(block.text, encoding="utf-8")
            load_tasks(tmp_path / "tasks.yaml")
    return had


def test_every_key_is_in_an_example(keys):
    assert len(keys) >= 8
    lacking = {(allowed, key) for allowed, had in keys.items() for key in set(allowed) - had}
    # A file with `parallel` is read with other keys than the files that it is allowed among.
    assert {key for _, key in lacking} <= {"parallel"}, lacking
    assert any("parallel" in had for had in keys.values())


def test_every_key_has_its_line_in_a_table(keys):
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| (.*?) \| (.*)", text, re.M)
    known = {word for key, _ in rows for word in re.findall(r"`(\w+)`", key)}
    for key, line in rows:  # what these hold stands in their own lines
        if key in ("`carve`", "`extract`"):
            known |= set(re.findall(r"`(\w+)`", line))
    for allowed in keys:
        assert set(allowed) <= known, f"{PAGE.name} has no line for {set(allowed) - known}"
