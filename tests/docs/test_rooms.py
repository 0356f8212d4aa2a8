"""The pages that list the rooms list all of them, in the order of the import contracts."""

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGES = ("prep", "adapters_tf", "eval", "trainer")


def floors(package):
    """The rooms of a package from the ground up, those of one floor together."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one.get("containers") == [package])
    return [re.findall(r"\w+", layer) for layer in reversed(layers)]


def rooms_in_architecture(package):
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index(f"\n`{package}`: ") :].split("\n\n")[1]
    return re.findall(r"^\| `(\w+)(?:/|\.py)`", table, re.M)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_lists_the_rooms_from_the_ground_up(package):
    listed = rooms_in_architecture(package)
    folders = {file.parent.name for file in (ROOT / package).glob("*/__init__.py")}
    assert folders <= set(listed), folders - set(listed)
    heights = {room: number for number, floor in enumerate(floors(package)) for room in floor}
    order = [heights[room] for room in listed]
    assert order == sorted(order), listed


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tree_lists_the_rooms(package):
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = text[text.index("## The tree") :].split("```")[1]
    part = re.split(rf"^{package}/", tree, flags=re.M)[1]
    lines = re.split(r"^\S", part, flags=re.M)[0].splitlines()
    names = (line[2:22] for line in lines if re.match(r"  \w+/", line))
    listed = [room for part in names for room in re.findall(r"(\w+)/", part)]
    folders = {file.parent.name for file in (ROOT / package).glob("*/__init__.py")}
    assert sorted(listed) == sorted(folders)
