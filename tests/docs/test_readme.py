"""What the README and the pages that carry its tables name is what there is."""

import re
from pathlib import Path

import pytest

from adapters_tf.backbone.presets import PRESETS
from adapters_tf.methods import METHODS, VARIANTS
from prep.tasks.tasks_file import _TASK_KEYS, load_tasks

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [README, *(page.read_text("utf-8") for page in sorted((ROOT / "docs").glob("*.md")))]


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_preset_is_named():
    paragraph = next(
        part for part in page("training.md").split("\n\n") if "`--model.backbone` takes" in part
    )
    assert set(PRESETS) <= set(re.findall(r"`([\w-]+)`", paragraph))


def test_every_method_is_named():
    text = page("choosing-a-method.md")
    table = text[text.index("| method | what a task owns |") :].split("\n\n")[0]
    named = set(re.findall(r"`([\w+]+)`", table))
    # `hypernetwork` is what its three published variants are made of.
    assert named == {*METHODS, *VARIANTS, "none"} - {"hypernetwork"}


def test_its_tasks_can_be_read(tmp_path):
    [block] = re.findall(r"```yaml\n(- name: .*?)```", page("preparing-data.md"), flags=re.S)
    file = tmp_path / "tasks.yaml"
    file.write_text(block, encoding="utf-8")
    assert [task.name for task in load_tasks(file)] == ["quality", "why", "corpus"]
    assert "folder:" in block and "carve:" in block


@pytest.mark.parametrize("key", _TASK_KEYS)
def test_every_key_of_a_tasks_file_is_documented(key):
    assert re.search(rf"\b{key}\b", page("adding-a-task.md"))


def test_every_command_of_make_is_there():
    makefiles = (ROOT / "Makefile", ROOT / "docker" / "cloud.mk")
    lines = "\n".join(file.read_text("utf-8") for file in makefiles)
    targets = set(re.findall(r"^([a-z-]+):.*## ", lines, re.M))
    for text in PAGES:
        assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)) <= targets


def test_the_readme_is_one_screen():
    assert len(README.splitlines()) <= 70
