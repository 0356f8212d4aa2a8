"""What `prep build` says, in 80 columns."""

import pytest

from prep import run_command
from prep.__main__ import main
from prep.commands.lines import wrap_line

TASK = """- name: mine
  kind: classification
  files: {{{split}: all.csv}}
  carve: {{split: held, from: {split}, share: 0.5}}
  inputs: "a rather long beginning of every input: {{text}}"
  targets: "{{label}}"
  labels: {{a: first, b: second}}
  metrics: [accuracy]
"""


@pytest.fixture
def say(tmp_path, small_vocabulary, capsys):
    """A function that builds a task whose training split has some name; its lines."""

    def say(split):
        (tmp_path / "mine").mkdir()
        rows = "".join(f"row {number},{'ab'[number % 2]}\n" for number in range(8))
        (tmp_path / "mine" / "all.csv").write_text(f"text,label\n{rows}")
        (tmp_path / "mine.yaml").write_text(TASK.format(split=split))
        words = ["build", "--tasks", "mine", "--tasks-file", str(tmp_path / "mine.yaml")]
        words += ["--data-dir", str(tmp_path), "--vocabulary", str(small_vocabulary)]
        assert run_command(main, [*words, "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
        return capsys.readouterr().out.splitlines()

    return say


def test_notes_are_wrapped(say):
    lines = say("train")
    assert sum(line.startswith("note: mine: held (4 rows) was carved out of") for line in lines)
    notes = [line for line in lines if line.startswith(("note: ", "    "))]
    assert len(notes) > 1 and all(len(line) <= 80 for line in notes)
    assert not any("none called 'train'" in line for line in lines)


@pytest.mark.parametrize("name", ["trian", "trains"])
def test_a_split_with_nearly_a_usual_name_is_noted(say, name):
    said = " ".join(" ".join(say(name)).split())
    assert f"note: mine has a split {name!r} and none called 'train', which is what a run" in said


def test_a_long_word_stays_whole():
    assert wrap_line(f"note: {'x' * 90} y").splitlines() == ["note:", f"    {'x' * 90}", "    y"]
