"""Files as people have them: what can be understood is, and the rest is one line that helps."""

import json

import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.errors import UsageError, run_command
from prep.tasks.examples import spellings
from prep.tasks.tasks_file import load_tasks

TASK = """
- name: own
  kind: classification
  files:
    train: {name: FILE}
  inputs: "{text}"
  targets: "{label}"
  labels: {0: cold, 1: warm}
  metrics: [accuracy]
"""


@pytest.fixture
def build(rte_options, rte_data, tmp_path):
    """Builds a task of one file with such content; returns its entry, or why it failed."""

    def run(name, content, tasks=TASK, **changes):
        (rte_data / "own").mkdir(exist_ok=True)
        (rte_data / "own" / name).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        (tmp_path / "own.yaml").write_text(tasks.replace("FILE", name))
        own = load_tasks(tmp_path / "own.yaml")
        options = rte_options(tasks=(*own, *rte_options().tasks), **changes)
        manifest = build_dataset(options, report=lambda line: None)
        return manifest.tasks.get("own") or manifest.failed["own"]

    return run


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


ROWS = [{"text": f"a man {number}", "label": number % 2} for number in range(9)]


def test_columns_are_what_the_first_hundred_rows_have(build):
    entry = build("a.jsonl", lines({"text": "no label"}, *ROWS))
    assert entry.split("train").rejected_reasons == {"missing field": 1}


def test_a_bad_first_line_is_a_rejected_row_and_blank_lines_are_none(build):
    entry = build("a.jsonl", "{broken\n\n" + lines(*ROWS) + "\n  \n")
    split = entry.split("train")
    assert (split.examples, split.rejected_reasons) == (9, {"invalid JSON": 1})
    entry = build("a.csv", "text,label\n\na,1\n\n\nb,0\n", force=True)
    assert (entry.split("train").examples, entry.split("train").rejected) == (2, 0)


def test_json_lines_are_read_whatever_they_are_called(build):
    assert build("a.json", lines(*ROWS)).split("train").examples == 9


def test_blank_lines_are_no_rows_however_many_come_first(build):
    assert build("a.jsonl", "\n" * 250 + lines(*ROWS)).split("train").examples == 9
    assert build("a.jsonl", "\n \n" * 250, force=True).endswith("a.jsonl has no rows")


@pytest.mark.parametrize("indent", (None, 1))
def test_a_document_called_json_lines_is_told_with_what_reads_it(build, indent):
    failed = build("a.jsonl", json.dumps(ROWS, indent=indent))
    assert failed.endswith("; it looks like one JSON document: `format: json` says so")
    document = TASK.replace("FILE}", "FILE, format: json}")
    content = json.dumps(ROWS, indent=indent)
    assert build("a.jsonl", content, document, force=True).split("train").examples == 9
    assert build("b.jsonl", "{broken\n", force=True).endswith("(char 1)")


def test_a_files_ending_may_be_in_capitals(build):
    content = "text,label\na,1\nb,0\n"
    assert build("A.CSV", content).split("train").examples == 2
    assert build("a.Jsonl", lines(*ROWS), force=True).split("train").examples == 9


def test_a_label_may_be_written_with_combining_marks_or_composed(build):
    composed, combining = "caf\u00e9", "cafe\u0301"
    for known, written in ((composed, combining), (combining, composed)):
        task = TASK.replace("0: cold", f"{known}: cold")
        rows = [{"text": "a", "label": written}, {"text": "b", "label": 1}]
        assert build("a.jsonl", lines(*rows), task, force=True).split("train").label_counts == (
            1,
            1,
        )
    both = spellings({combining: "x", composed: "y"})
    assert both == {combining: "x", composed: "y"}


def test_a_name_that_is_there_twice_in_an_object_rejects_it_and_in_a_file_is_refused(build):
    twice = '{"text": "a", "label": 1, "text": "b"}\n'
    split = build("a.jsonl", twice + lines(*ROWS)).split("train")
    assert (split.examples, split.rejected_reasons) == (9, {"repeated name": 1})
    renamed = TASK.replace("FILE}", "FILE, rename: {title: text}}")
    content = lines(*ROWS, {"text": "a", "title": "b", "label": 1})
    assert "one name: 'text'" in build("a.jsonl", content, renamed, force=True)


def test_labels_are_understood_as_other_programs_write_them(build):
    values = [1.0, 0.0, True, False, "1", " 0 ", "true"]
    rows = [{"text": "a", "label": value} for value in values]
    assert build("a.jsonl", lines(*rows)).split("train").label_counts == (3, 4)
    assert spellings({"1.0": "a", "2": "b"}) == {"1.0": "a", "2": "b", "1": "a", "2.0": "b"}
    assert spellings({"TRUE": "a", "False": "b"})["true"] == "a"
    assert spellings({"True": "a", "true": "b", "false": "c"})["True"] == "a"
    assert "TRUE" not in spellings({"True": "a", "true": "b", "false": "c"})
    assert "true" not in spellings({"1": "a", "2": "b"})


def test_a_label_that_is_none_is_shown_with_those_there_are(build):
    assert "'warm' is none of '0', '1'" in build("a.csv", "text,label\na,warm\nb,cold\n")


def test_half_of_a_split_rejected_fails_the_task_unless_that_is_accepted(build):
    content = lines(*ROWS[:4], *({"text": "a", "label": "x"} for _ in range(3)), {"label": 1})
    failed = build("a.jsonl", content)
    assert failed.startswith(
        "split 'train': 4 of 8 rows were rejected (3 × unknown label (row 5 of"
    )
    assert "'x' is none of '0', '1'), 1 × missing field (row 8 of a.jsonl, 'text'))" in failed
    entry = build("a.jsonl", content, accept_rejects=True)
    assert entry.split("train").examples == 4
    entry = build("a.jsonl", content + lines(ROWS[0]) + "\n" * 50, force=True)
    assert entry.split("train").examples == 5  # less than half; blank lines count for nothing


@pytest.mark.parametrize(
    ("name", "encoding", "said"),
    [
        ("a.csv", "latin-1", "latin-1"),
        ("a.csv", "cp1251", "cp1251"),
        ("a.tsv", "latin-1", "latin-1"),
        ("a.json", "latin-1", "latin-1"),
        ("a.csv", "utf-16", "utf-16"),
        ("a.tsv", "utf-16-le", "utf-16-le"),
        ("a.jsonl", "utf-16-be", "utf-16-be"),
        ("a.csv", "utf-32", "utf-32"),
    ],
)
def test_another_encoding_is_named_and_then_read(build, name, encoding, said):
    word = "большой дом" if encoding == "cp1251" else "ein größeres Haus"
    rows = [{"text": word, "label": number % 2} for number in range(5)]
    if name.startswith("a.js"):
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        content = json.dumps(rows, ensure_ascii=False) if name == "a.json" else content
    else:
        mark = "," if name == "a.csv" else "\t"
        content = f"text{mark}label\n" + "".join(f"{r['text']}{mark}{r['label']}\n" for r in rows)
    assert f"encoding {said} would read it" in build(name, content.encode(encoding))
    told = TASK.replace("FILE}", f"FILE, encoding: {said}}}")
    assert build(name, content.encode(encoding), told, force=True).split("train").examples == 5


def test_a_file_in_utf16_is_read_across_blocks_and_its_faults_are_told(build):
    told = TASK.replace("FILE}", "FILE, encoding: utf-16}")
    content = "text\tlabel\n" + "".join(f"ü {number}\t1\n" for number in range(5000))
    entry = build("a.tsv", content.encode("utf-16"), told, shard_records=900)
    assert entry.split("train").examples == 5000
    assert "is not UTF-16" in build("a.tsv", content.encode("utf-16")[:-1], told, force=True)


def test_another_separator_is_named(build):
    said = "they look separated by ';': `delimiter: ';'` says so"
    assert said in build("a.csv", "text;label\na;1\nb;0\n")
    columns = TASK.replace("FILE}", "FILE, columns: [text, label]}")
    assert said in build("a.csv", "a;1\nb;0\n", columns, force=True)
    told = TASK.replace("FILE}", 'FILE, delimiter: ";"}')
    assert build("a.csv", "text;label\na;1\nb;0\n", told, force=True).split("train").examples == 2


def test_escaped_quotes_are_read_where_the_task_says_so(build):
    told = TASK.replace("FILE}", "FILE, escape: '\\'}")
    entry = build("a.csv", 'text,label\n"say \\"hi\\", he",1\n', told)
    assert entry.split("train").examples == 1


def carve(said):
    return "  inputs", f"  carve: {{from: train, split: {said}}}\n  inputs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("FILE}", "FILE, delimiter: '||'}"), "own.yaml:5: delimiter '||': in CSV it is one"),
        (("FILE}", "FILE, escape: ab}"), "own.yaml:5: escape 'ab': in CSV it is one"),
        (("FILE}", "FILE, encoding: utf8x}"), "own.yaml:5: there is no encoding 'utf8x'; did you"),
        (("FILE}", "FILE, encoding: base64}"), "own.yaml:5: there is no encoding 'base64'"),
        (("FILE}", "FILE, encoding: idna}"), "own.yaml:5: there is no encoding 'idna'"),
        (
            ("  inputs", "  carve: {split: train, from: train, rows: 1}\n  inputs"),
            "own.yaml:6: the",
        ),
        (
            ("  inputs", "  carve: {split: dev, from: train, share: 1.0}\n  inputs"),
            "between 0 and 1",
        ),
        (
            ("  inputs", "  carve: {split: dev, from: train, rows: 1, seed: -1}\n  inputs"),
            "or more",
        ),
        (("  inputs", "  carve: {split: dev, from: train, share: nan}\n  inputs"), "or more"),
    ],
)
def test_mistakes_in_a_task_file_are_one_line(build, change, message):
    with pytest.raises(UsageError) as caught:
        build("a.csv", "text,label\na,1\n", TASK.replace(*change))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["validation=train:1.0", "validation=train:2.", "dev=train:1.5"])
def test_a_share_of_one_is_not_one_row(text, capsys):
    arguments = ["build", "--tasks", "rte", "--vocabulary", "v", "--out", "o", "--carve", text]
    assert run_command(main, arguments) == 2
    assert "is neither rows nor a share below 1 (rows are a number" in capsys.readouterr().err
