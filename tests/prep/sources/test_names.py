"""Names that become parts of paths, and names of splits that nobody would look for."""

import dataclasses

import pytest

from prep.build.dataset import build_dataset
from prep.commands.split_options import parse_selection
from prep.errors import UsageError
from prep.sources.declarations import Carve, FileSpec, GeneratedSource, HubSource, Layout
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

BAD = ("../../evil", "a/b", "", ".", "..", "a b", "tr.ain", "-x", "a\\b", "x\n")
MEANT = {"Train": "train", "valid": "validation", "VALIDATION": "validation", "Val": "validation"}
MEANT |= {"Test": "test", "training": "train"}
TASK = """
- name: {name}
  kind: generation
  inputs: "{{text}}"
  targets: "{{text}}"
  metrics: [bleu]
  files:
    {split}: {{name: a.csv}}
"""


@pytest.mark.parametrize("name", BAD)
def test_names_that_lead_elsewhere_are_refused_wherever_they_come_from(name):
    makers = (
        lambda: Layout({name: FileSpec("a.csv", "csv")}),
        lambda: Carve(name, "train", 0.5),
        lambda: HubSource("x/y", splits={name: "train"}),
        lambda: dataclasses.replace(get_task("rte"), name=name),
    )
    for make in makers:
        with pytest.raises(UsageError, match="expected letters, digits, '_' and '-' only"):
            make()


@pytest.mark.parametrize("name", MEANT)
def test_names_of_which_another_was_meant_are_told(name, tmp_path):
    message = f"split '{name}': trainer and evaluation know it as '{MEANT[name]}'"
    (tmp_path / "own.yaml").write_text(TASK.format(name="own", split=name))
    with pytest.raises(UsageError) as caught:
        load_tasks(tmp_path / "own.yaml")
    assert str(caught.value) == f"{tmp_path}/own.yaml:8: {message}"
    if MEANT[name] != "train":
        with pytest.raises(UsageError, match=f"--carve {name}=train:5: {message}"):
            parse_selection([f"{name}=train:5"], [], [], 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../x", "split": "train"}, r"own\.yaml:2: task '\.\./x': expected letters"),
        ({"name": "own", "split": "../../evil"}, r"own\.yaml:8: split '\.\./\.\./evil': expected"),
    ],
)
def test_a_task_file_is_told_the_line(changes, message, tmp_path):
    (tmp_path / "own.yaml").write_text(TASK.format(**changes))
    with pytest.raises(UsageError, match=message):
        load_tasks(tmp_path / "own.yaml")


def test_code_that_makes_such_a_split_fails_its_task_and_writes_nothing(rte_options, tmp_path):
    source = GeneratedSource(lambda: {"../../evil": [{"sentence1": "a"}]})
    bad = dataclasses.replace(get_task("rte"), name="bad", source=source)
    manifest = build_dataset(rte_options(tasks=(bad, get_task("rte"))), lambda line: None)
    assert list(manifest.tasks) == ["rte"] and "split '../../evil'" in manifest.failed["bad"]
    assert not list(tmp_path.parent.rglob("evil*"))


@pytest.mark.parametrize(
    "name", ["train", "dev", "test-hard", "validation_matched", "2020", "größe"]
)
def test_other_names_are_anybodys_own(name):
    Layout({name: FileSpec("a.csv", "csv")})
