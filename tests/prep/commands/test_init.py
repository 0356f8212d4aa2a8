"""`prep init` from files to a dataset that is built of what it wrote."""

import json
from pathlib import Path

import pytest

from prep.__main__ import main
from prep.commands.init import base_name, share_out
from prep.dataset.manifest import load_manifest
from prep.errors import UsageError, run_command


def init(*words):
    return run_command(main, ["init", *map(str, words), "--yes"])


@pytest.fixture
def tickets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{1000 + n};letter number {n} about a thing;{['bill', 'login'][n % 2]};short {n}"
        for n in range(60)
    ]
    Path("tickets.csv").write_text("ticket_id;message;category;summary\n" + "\n".join(rows))
    return tmp_path


def test_what_is_drafted_is_built_by_the_commands_that_are_printed(tickets, capsys):
    assert init("tickets.csv") == 0
    out = capsys.readouterr().out
    assert "answer: it is called 'category'" in out and max(map(len, out.splitlines())) <= 80
    said = " ".join(out.split())
    assert "tickets_category: classification (it has 2 different values in 60 rows);" in said
    assert "bill 50%, login 50%; inputs of 6 words; scored by accuracy, f1 (answers are" in said
    commands = out.replace("\\\n", " ").splitlines()
    build, train = (line.split()[3:] for line in commands if line.startswith("  python -m prep"))
    train[train.index("--size") + 1] = "130"
    assert run_command(main, train) == 0
    assert run_command(main, [*build, "--workers", "1"]) == 0
    manifest = load_manifest(build[build.index("--out") + 1])
    counts = {
        name: {split: entry.examples for split, entry in task.splits.items()}
        for name, task in manifest.tasks.items()
    }
    assert counts == {
        "tickets_category": {"train": 54, "validation": 6},
        "tickets_summary": {"train": 54, "validation": 6},
    }


def test_a_column_whose_name_would_break_its_line_is_shown_as_python_has_it(tickets, capsys):
    rows = "".join(f"letter number {n},{'ab'[n % 2]}\n" for n in range(30))
    Path("odd.csv").write_text('"the\ntext",label\n' + rows)
    assert init("odd.csv") == 0
    assert "\n  'the\\ntext' " in capsys.readouterr().out


def test_what_is_wrong_with_columns_is_said(tickets, capsys):
    rows = "".join(f"letter {n},{n % 3},{['a', 'b', '', 'NaN'][n % 4]}\n" for n in range(240))
    Path("gaps.csv").write_text("text,shelf,label\n" + rows)
    assert init("gaps.csv") == 0
    assert "120 rows without an answer are left out" in " ".join(capsys.readouterr().out.split())
    rows = "".join(f"letter {n},{n % 3},{'ab'[n % 3 > 1]}\n" for n in range(240))
    Path("easy.csv").write_text("text,shelf,label\n" + rows)
    assert init("easy.csv", "--force") == 0
    assert "note: 'shelf' gives 'label' away" in capsys.readouterr().out
    rows = "".join(f"letter {n},{['yes', 'Yes', 'no'][n % 3]}\n" for n in range(240))
    Path("cased.csv").write_text("text,label\n" + rows)
    assert init("cased.csv", "--force") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "yes 67%, no 33%; spellings that differ in case alone are one answer;" in said
    Path("raw.csv").write_text("text\n" + "a letter of five words\n" * 9 + "another one of them\n")
    assert init("raw.csv", "--force") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "raw: generation (there is no column of answers, so it learns to fill gaps in" in said
    objects = [{"question": f"what is {n}", "answers": {"text": [f"{n}"]}} for n in range(9)]
    Path("asked.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    assert init("asked.jsonl", "--force") == 0
    assert "answers.text     lists of texts" in capsys.readouterr().out


def test_a_folder_elsewhere_is_named_in_full(tickets, capsys, monkeypatch):
    (tickets / "here").mkdir()
    monkeypatch.chdir(tickets / "here")
    assert init(tickets / "tickets.csv") == 0
    words = capsys.readouterr().out.replace("\\\n", " ").split()
    assert words[words.index("--data-dir") + 1] == str(tickets)


def test_a_file_for_each_split(tickets, capsys):
    lines = [json.dumps({"text": f"a text {n}", "label": "ab"[n % 2]}) + "\n" for n in range(12)]
    Path("my_train.jsonl").write_text("".join(lines))
    Path("my_dev.jsonl").write_text("".join(lines[:4]))
    Path("my_test.jsonl").write_text('{"text": "no label"}\n')
    assert init("my_dev.jsonl", "my_train.jsonl", "my_test.jsonl", "--out", "my.yaml") == 0
    assert "my_test.jsonl lacks label: it is left out" in capsys.readouterr().out
    text = Path("my.yaml").read_text()
    assert "    train: my_train.jsonl\n    validation: my_dev.jsonl\n" in text
    assert "- name: my\n" in text and "carve" not in text
    assert init("my_train.jsonl", "--out", "my.yaml") == 2
    assert "my.yaml is there already; --force writes another one" in capsys.readouterr().err
    assert init("my_train.jsonl", "--out", "my.yaml", "--force", "--name", "Other One") == 0
    assert "- name: other_one\n" in Path("my.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.csv"], "there is no file nothing.csv"),
        (["tickets.csv", "other.csv"], "which split is tickets.csv? write train=tickets.csv"),
        (["train=tickets.csv", "a_train.csv"], "are both for train"),
        (["a_dev.csv", "a_test.csv"], "is for training; write train=FILE"),
        (["tickets.csv", "--answer", "categry"], "there is no column 'categry'; did you mean"),
    ],
)
def test_mistakes_are_told(tickets, capsys, words, message):
    assert init(*words) == 2
    assert message in capsys.readouterr().err
    assert not Path("tasks.yaml").exists()


def test_splits_by_name():
    given = ["x-valid.tsv", "train=a=b.csv", "TEST.csv"]
    assert share_out(given) == {
        "train": Path("a=b.csv"),
        "validation": Path("x-valid.tsv"),
        "test": Path("TEST.csv"),
    }
    assert share_out(["my_dev.csv"]) == {"train": Path("my_dev.csv")}
    with pytest.raises(UsageError, match="which split is b"):
        share_out(["a_train.csv", "b.csv"])
    assert base_name([Path("here/e-care_train.v2.csv")]) == "e_care"


def test_without_a_terminal_it_asks_for_yes(tickets, capsys):
    assert run_command(main, ["init", "tickets.csv"]) == 2
    assert "--yes takes what is guessed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "kind", "inputs"),
    [
        ("rte/train.tsv", "classification", "rte: sentence1: {sentence1} sentence2: {sentence2}"),
        ("stsb/stsb-en-train.csv", "regression", "{column1}"),
        ("terra/train.jsonl", "classification", "terra: premise: {premise}"),
        ("copa/train.jsonl", "multiple_choice", "choice1: {choice1} choice2: {choice2}"),
        ("causalqg/synqg_train.csv", "generation", "context: {context}"),
        ("tinyshakespeare/input.txt", "generation", "{line}"),
    ],
)
def test_real_files(tmp_path, real_data, file, kind, inputs):
    out = tmp_path / "tasks.yaml"
    assert init(real_data / file, "--out", out) == 0
    text = out.read_text()
    assert f"kind: {kind}" in text and inputs in text
