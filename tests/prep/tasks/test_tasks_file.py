import dataclasses
import json

import pytest

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.dataset.manifest import load_manifest
from prep.dataset.reading import read_split
from prep.errors import UsageError
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.sources.row import RowError
from prep.tasks.digest import definition_digest
from prep.tasks.examples import row_to_example, row_to_examples
from prep.tasks.tasks_file import load_tasks
from prep.tasks.wordings import worded_as
from prep.tokens.vocabulary import Vocabulary

QUALITY = """\
- name: quality
  kind: classification
  description: How good is the question?
  folder: posts
  files:
    train: train.csv
    validation:
      name: valid.txt
      format: csv
      delimiter: ";"
      columns: [Title, Body, Y]
  inputs: "quality: {Title}</s>{Body}"
  targets: "{Y}"
  labels: {LQ_CLOSE: none, LQ_EDIT: low, HQ: high}
  metrics: [accuracy, f1]
  truncation: head_tail
  max_input_length: 20
  hyperformer:
    inputs: "title: {Title} body: {Body}"
- name: closed
  kind: classification
  folder: posts
  files: {train: train.csv}
  carve: {split: validation, from: train, rows: 2, seed: 7}
  fields: [Title]
  inputs: "closed {Title}"
  targets: "{Y}"
  labels: {LQ_CLOSE: yes, LQ_EDIT: no, HQ: no}
  metrics: [accuracy]
"""

MODULE = """\
from prep import Task
from prep.sources import GeneratedSource


def make():
    return {split: numbers(size) for split, size in (("train", 50), ("validation", 9))}


def numbers(size):
    for number in range(size):
        yield {"number": number}


def leave_odd_out(row):
    return None if row["number"] % 2 else row


def word(row):
    return f"half of {row['number']}"


def halve(row):
    return str(row["number"] // 2)


TASKS = [
    Task(
        name="halves",
        kind="generation",
        description="Halve a number.",
        fields=("number",),
        inputs=word,
        targets=halve,
        metrics=("exact_match",),
        source=GeneratedSource(make),
        row_functions=(leave_odd_out,),
    )
]
"""


@pytest.fixture
def quality(tmp_path):
    folder = tmp_path / "data" / "posts"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text(
        'Id,Title,Body,Y\n1,"a, b","<p>x\ny</p>",HQ\n2,c,d,LQ_EDIT\n3,e,f,LQ_CLOSE\n4,g,h,HQ\n'
    )
    (folder / "valid.txt").write_text("a;b;HQ\nc;d;LQ_CLOSE\n")
    path = tmp_path / "mine.yaml"
    path.write_text(QUALITY)
    return path


def options(tmp_path, tasks, vocabulary, **changes):
    given = {"tasks": tasks, "vocabulary": vocabulary, "out": tmp_path / "out", "workers": 1}
    return BuildOptions(**(given | {"data_dir": tmp_path / "data"} | changes))


def test_a_task_declared_in_yaml_is_built(quality, tmp_path, small_vocabulary):
    tasks = load_tasks(quality)
    assert [task.name for task in tasks] == ["quality", "closed"]
    chosen = options(tmp_path, tasks, small_vocabulary)
    manifest = build_dataset(chosen, lambda line: None)
    entry = manifest.task("quality")
    assert entry.label_words == ("none", "low", "high")
    assert entry.metrics == ("accuracy", "f1")
    assert entry.truncation == "head_tail"
    assert entry.split("train").label_counts == (1, 1, 2)
    assert entry.split("train").longest_input <= 20
    table = read_split(chosen.out, manifest, "quality", "validation")
    vocabulary = Vocabulary(small_vocabulary)
    assert table.input_ids(0).tolist() == [
        *vocabulary.encode("quality: a"),
        vocabulary.eos_id,
        *vocabulary.encode("b"),
        vocabulary.eos_id,
    ]
    assert any("ty: a</s>" in line for line in describe_dataset(survey_dataset(chosen.out)))
    closed = manifest.task("closed")
    assert closed.label_words == ("yes", "no")
    assert {name: split.examples for name, split in closed.splits.items()} == {
        "train": 2,
        "validation": 2,
    }


ANSWERED = """\
- name: why
  kind: generation
  folder: posts
  files: {train: train.jsonl, validation: valid.jsonl}
  inputs: "why {question}"
  answers: gold
  group: "{question}"
  document: "about {about}"
  metrics: [squad_f1, squad_em]
"""


def test_a_yaml_task_may_have_several_right_answers(tmp_path, small_vocabulary):
    folder = tmp_path / "data" / "posts"
    folder.mkdir(parents=True)
    rows = [
        {"about": "x", "question": "a", "gold": ["b", " c ", "b"]},
        {"about": "x", "question": "d", "gold": "e\tf\t"},
        {"about": "y", "question": "g", "gold": ["h"]},
    ]
    bad = [{"about": "z", "question": "i", "gold": answers} for answers in ([], 7)]
    for name, content in (("train", rows), ("valid", rows + bad)):
        lines = [json.dumps(row) + "\n" for row in content]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    path = tmp_path / "why.yaml"
    path.write_text(ANSWERED)
    tasks = load_tasks(path)
    assert tasks[0].fields == ("question", "gold")
    chosen = options(tmp_path, tasks, small_vocabulary)
    manifest = build_dataset(chosen, lambda line: None)
    assert manifest.task("why").split("train").examples == 5
    split = manifest.task("why").split("validation")
    assert split.rejected_reasons == {"no answer": 1, "unusable field": 1}
    table = read_split(chosen.out, manifest, "why", "validation")
    assert table.references == (("b", "c"), ("e", "f"), ("h",))
    assert len(set(table.groups.tolist())) == 3
    first, second, third = table.documents.tolist()
    assert first == second != third
    assert table.part(1, 3).documents.tolist() == [second, third]
    path.write_text(ANSWERED.replace("answers: gold", "answers: gold\n  targets: '{question}'"))
    with pytest.raises(UsageError, match="neither targets nor labels"):
        load_tasks(path)


NESTED = [
    {"q": "a", "answers": {"text": ["b", "c"], "answer_start": [1, 2]}},
    {"q": "d", "answers": {"text": [], "answer_start": []}},
    {"q": "e", "answers": [{"text": "f"}, {"text": "g"}]},
    {"q": "h", "answers": []},
    {"q": "i", "answers": {"text": None}},
    {"q": "j", "answers": {"text": ["none"]}},
    {"q": "k", "answers": {"answer_start": []}},
    {"q": "l"},
    {"q": "m", "answers": None},
]


def test_questions_may_have_no_answer_and_answers_lie_inside_a_field(tmp_path, small_vocabulary):
    folder = tmp_path / "data" / "posts"
    folder.mkdir(parents=True)
    for name in ("train", "valid"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in NESTED))
    path = tmp_path / "why.yaml"
    text = (
        ANSWERED.replace("gold", "answers.text")
        .replace("{question}", "{q}")
        .replace("{about}", "{q}")
    )
    path.write_text(text + "  no_answer: none\n")
    chosen = options(tmp_path, load_tasks(path), small_vocabulary)
    manifest = build_dataset(chosen, lambda line: None)
    entry = manifest.task("why")
    assert entry.no_answer == "none"
    assert load_manifest(chosen.out) == manifest
    assert entry.split("train").examples == 2 + 1 + 2 + 1 + 1 + 1
    split = entry.split("validation")
    reasons = {"an answer is what `no_answer` says": 1, "missing field": 2}
    assert split.rejected_reasons == reasons
    table = read_split(chosen.out, manifest, "why", "validation")
    none = ("none",)
    assert table.references == (("b", "c"), none, ("f", "g"), none, none, none)


def test_without_a_word_for_it_a_row_without_answer_is_rejected(tmp_path):
    path = tmp_path / "why.yaml"
    path.write_text(ANSWERED.replace("gold", "answers.text"))
    (task,) = load_tasks(path)
    assert task.fields == ("question", "answers")
    make = row_to_examples(task, "validation")
    row = {"question": "q", "about": "x", "answers": {"text": ["b"]}}
    assert make(row)[0].references == ("b",)
    with pytest.raises(RowError, match="no answer"):
        make({**row, "answers": {"text": []}})
    path.write_text(QUALITY + "  no_answer: none\n")
    with pytest.raises(UsageError, match=r"why.yaml:\d+: .*no_answer is for a task with answers"):
        load_tasks(path)


def test_the_fields_of_a_yaml_task_are_those_of_its_templates(quality):
    task = load_tasks(quality)[0]
    assert task.fields == ("Title", "Body", "Y")
    example = row_to_example(worded_as(task, "hyperformer"))({"Title": "a", "Body": "b", "Y": "HQ"})
    assert tuple(example)[:3] == ("title: a body: b", "2", 2)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("metrics: [accuracy, f1]", "metrcs: [accuracy]", 15, "no key 'metrcs'.*'metrics'"),
        ("kind: classification\n  desc", "kind: guess\n  desc", 2, "no kind 'guess'; valid names"),
        ("truncation: head_tail", "truncation: middle", 16, "no truncation 'middle'"),
        ("max_input_length: 20", "max_input_length: many", 17, "expected a number, found 'many'"),
        ("max_input_length: 20", "max_input_length: 1", 17, "it must be >= 2"),
        ("      format: csv", "      format: cvs", 9, "no format 'cvs'; did you mean 'csv'"),
        ("train: train.csv\n    val", "train: train.dat\n    val", 6, "does not tell its format"),
        ("{Title}</s>", "{Title</s>", 12, "the template .* is wrong"),
        ('targets: "{Y}"\n  labels: {LQ_CLOSE: none', 'targets: "Y"\n  labels: {A: b', 13, "names"),
        ("from: train", "from: trian", 24, "no file for 'trian'; did you mean 'train'"),
        ("rows: 2", "rows: 2, share: 0.5", 24, "either 'share' or 'rows'"),
        ("- name: closed", "- name: quality", 20, "a second task 'quality'"),
        ("- name: closed\n  kind: classification\n", "- name: closed\n", 20, "has no 'kind'"),
        ("  folder: posts\n  files:\n", "  folder: [posts\n  files:\n", 5, "not YAML"),
        ("  folder: posts\n  files:\n", "  name: again\n  files:\n", 4, "a second 'name'"),
        ("labels: {LQ_CLOSE: none, LQ_EDIT: low, HQ: high}", "labels: HQ", 14, "keys and values"),
        ("name: quality", "name: qual/ity", 1, "expected letters"),
    ],
)
def test_a_mistake_is_told_with_its_line(quality, old, new, line, problem):
    assert old in QUALITY
    quality.write_text(QUALITY.replace(old, new, 1))
    with pytest.raises(UsageError, match=rf"mine\.yaml:{line}: .*{problem}"):
        load_tasks(quality)


REWORDED = '  hyperformer:\n    inputs: "title: {Title} body: {Body}"\n'


@pytest.mark.parametrize(
    ("reworded", "line", "problem"),
    [
        ('hyperformer: {choices: ["{Y}"]}', 18, "no key 'choices'; valid.* inputs, labels, name, "),
        ("encoder: {name: x}", 18, "no key 'name'; valid names: choices, inputs, labels, targets"),
        ("encoder: {inputs: '{Y}', choices: ['{Y}']}", 18, "choices take the place of inputs"),
        ("encoder:\n    labels: {HQ: a}\n    lable: {HQ: a}", 20, "'lable'.*mean 'labels'"),
        ("encoder: {}", 18, "nothing is worded anew; keys: inputs, targets, labels, choices"),
    ],
)
def test_what_a_wording_does_not_look_at_is_refused(quality, reworded, line, problem):
    assert QUALITY.count(REWORDED) == 1
    quality.write_text(QUALITY.replace(REWORDED, f"  {reworded}\n"))
    with pytest.raises(UsageError, match=rf"mine\.yaml:{line}: .*{problem}"):
        load_tasks(quality)


@pytest.mark.parametrize("content", ["", "[]", "just text", "a: 1"])
def test_a_file_without_tasks(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"mine\.yaml:1: expected a list"):
        load_tasks(path)


def test_a_file_of_another_kind(tmp_path):
    with pytest.raises(UsageError, match=r"expected a \.yaml file or a \.py module"):
        load_tasks(tmp_path / "tasks.toml")


def test_tasks_of_a_module_are_built_by_any_number_of_workers(tmp_path, small_vocabulary):
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    contents = []
    for workers in (1, 2):
        chosen = options(
            tmp_path,
            load_tasks(path),
            small_vocabulary,
            modules=(path,),
            workers=workers,
            shard_records=8,
            out=tmp_path / str(workers),
        )
        split = build_dataset(chosen, lambda line: None).task("halves").split("train")
        assert (split.examples, split.dropped) == (25, 25)
        files = sorted(file for file in chosen.out.rglob("*") if file.is_file())
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n", "expected a list TASKS"),
        ("TASKS = [1]\n", "expected a list TASKS"),
        ("x = 1\ny = z\n", r"mine\.py:2: NameError: name 'z' is not defined"),
        ("x = 1\n\ndef (:\n", r"mine\.py:3: SyntaxError"),
    ],
)
def test_a_module_with_a_mistake(tmp_path, content, message):
    path = tmp_path / "mine.py"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_tasks(path)


def test_own_tasks_from_the_command_line(quality, tmp_path, small_vocabulary, capsys):
    from prep.__main__ import main
    from prep.errors import run_command

    common = ["--tasks-file", str(quality)]
    assert run_command(main, ["tasks", *common]) == 0
    said = capsys.readouterr().out
    assert "How good is the question?" in said and "    generated from code\n" in said
    assert "    files train.tsv, val.tsv, dev.tsv or train.tsv, dev.tsv in rte/ or RTE/\n" in said
    build = ["build", *common, "--data-dir", str(tmp_path / "data"), "--workers", "1"]
    build += ["--vocabulary", str(small_vocabulary), "--out", str(tmp_path / "out")]
    assert run_command(main, [*build, "--tasks", "qualty"]) == 2
    assert "unknown task 'qualty'; did you mean 'quality'" in capsys.readouterr().err
    assert run_command(main, [*build, "--tasks", "quality,synthetic_choice"]) == 0
    assert list(load_manifest(tmp_path / "out").tasks) == ["quality", "synthetic_choice"]


def test_a_replaced_task_is_still_a_task(quality):
    task = dataclasses.replace(load_tasks(quality)[0], name="other")
    assert definition_digest(task) == definition_digest(load_tasks(quality)[0])


ONE = """\
- name: accuracy
  kind: classification
  files: {train: train.csv}
  inputs: "{q}"
  targets: "{y}"
  labels: {0: no, 1: yes}
  metrics: """


@pytest.mark.parametrize(
    ("metrics", "line", "problem"),
    [
        ("[accuracy, acuracy]", 7, "no metric 'acuracy'; did you mean 'accuracy'"),
        ("\n  - accuracy\n  - pearson", 9, "'pearson' is of numbers"),
        ("\n  - f1\n  - accuracy\n  - f1", 10, "'f1' is named twice"),
        ("[group_exact_match]", 7, "needs a key group"),
    ],
)
def test_a_metric_is_told_with_its_own_line(tmp_path, metrics, line, problem):
    (tmp_path / "own.yaml").write_text(ONE + metrics)
    with pytest.raises(UsageError, match=rf"own.yaml:{line}: task 'accuracy': .*{problem}"):
        load_tasks(tmp_path / "own.yaml")
