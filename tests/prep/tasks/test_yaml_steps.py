"""What a task file can have done with rows before they are worded."""

import dataclasses
import pickle

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.reading import read_split, read_vocabulary
from prep.errors import DataError, UsageError
from prep.inspection.text import describe_left_out
from prep.sources.declarations import FileSource, FileSpec, Layout
from prep.sources.row import RowError
from prep.splits.finding import plan_task
from prep.tasks import patterns
from prep.tasks.catalogue.glue import round_similarity
from prep.tasks.digest import definition_digest
from prep.tasks.examples import row_to_examples
from prep.tasks.row_steps import round_fields
from prep.tasks.tasks_file import load_tasks

TASK = """
- name: own
  kind: generation
  inputs: "INPUTS"
  targets: "TARGETS"
  metrics: [exact_match]
  files: {train: a.jsonl}
"""


@pytest.fixture
def load(tmp_path):
    def run(steps, inputs="{q}", targets="{a}"):
        text = TASK.replace("INPUTS", inputs).replace("TARGETS", targets)
        text = text.replace('  targets: ""\n', "")
        (tmp_path / "own.yaml").write_text(text + "".join(f"  {line}\n" for line in steps))
        (task,) = load_tasks(tmp_path / "own.yaml")
        return task

    return run


def worded(task, **row):
    return [tuple(example[:2]) for example in row_to_examples(task, "train")(row)]


def test_an_answer_is_extracted_from_a_solution(load):
    task = load([r"extract: {a: {from: solution, pattern: '#### (.+)'}}"])
    assert task.columns == ("solution", "q") and task.fields == ("q", "a")
    assert worded(task, q="2+2", solution="2 and 2\nmake\n#### 4") == [("2+2", "4")]
    with pytest.raises(RowError, match="nothing to extract: 'solution' has no"):
        worded(task, q="2+2", solution="four")


def test_both_sides_come_from_one_line_and_comments_are_skipped(load):
    task = load(
        [
            "skip: {line: ';;;.*'}",
            r"extract: {q: {from: line, pattern: 'IN: (.*?) OUT:'}, a: {from: line, "
            r"pattern: '(?<=OUT: ).*'}}",
        ]
    )
    assert task.columns == ("line",)
    assert worded(task, line="IN: jump twice OUT: I_JUMP I_JUMP") == [
        ("jump twice", "I_JUMP I_JUMP")
    ]
    assert worded(task, line=";;; a comment") == []


def test_rows_are_kept_by_what_a_field_holds(load):
    task = load(["keep: {lang: de|ru, year: '20..'}"])
    assert worded(task, lang="ru", year=2024, q="x", a="y") == [("x", "y")]
    assert worded(task, lang="rus", year=2024, q="x", a="y") == []


def test_defaults_and_constants(load):
    task = load(
        ["constants: {to: German}", "defaults: {hint: none}"], inputs="to {to}: {q} ({hint})"
    )
    assert task.columns == ("q", "a")
    for hint in ({}, {"hint": None}, {"hint": ""}, {"hint": float("nan")}):
        assert worded(task, q="x", a="y", **hint) == [("to German: x (none)", "y")]
    assert worded(task, q="x", a="y", hint="z") == [("to German: x (z)", "y")]


@pytest.mark.parametrize(
    ("step", "value", "expected"),
    [("0.2", "3.5", "3.6"), ("0.2", 3.49, "3.4"), ("1", "2.5", "2"), ("0.05", -1.02, "-1.00")],
)
def test_numbers_are_rounded_to_the_nearest_multiple(load, step, value, expected):
    task = load([f"round: {{a: {step}}}"])
    assert worded(task, q="x", a=value) == [("x", expected)]
    with pytest.raises(RowError, match="not a number"):
        worded(task, q="x", a="high")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("extract: {a: {from: q}}", "own.yaml:8: expected 'from', a field, and 'pattern'"),
        ("extract: {a: {from: q, pattern: '('}}", "own.yaml:8: '(' is no regular expression"),
        ("keep: {a: '['}", "own.yaml:8: '[' is no regular expression"),
        ("round: {a: 0}", "own.yaml:8: expected what to round to"),
        ("round: {a: x}", "own.yaml:8: expected what to round to"),
        ("constants: {a: [x]}", "own.yaml:8: expected a text, found a list"),
        ("extrakt: {a: x}", "own.yaml:8: there is no key 'extrakt'; did you mean 'extract'?"),
    ],
)
def test_mistakes_are_told_with_their_line(load, step, message):
    with pytest.raises(UsageError) as caught:
        load([step])
    assert message in str(caught.value)


def test_steps_are_part_of_the_definition_and_reach_the_workers(
    load, rte_options, rte_data, write_jsonl
):
    plain, changed = load([]), load(["constants: {a: cat}"])
    assert definition_digest(plain) != definition_digest(changed)
    assert definition_digest(changed) != definition_digest(load(["constants: {a: mat}"]))
    write_jsonl(rte_data / "own" / "a.jsonl", [{"q": "the mat"}, {"q": "the flute"}])
    options = rte_options(tasks=(changed,))
    manifest = build_dataset(options, lambda line: None)
    table = read_split(options.out, manifest, "own", "train")
    assert read_vocabulary(options.out, manifest).decode(table.target_ids(1)) == "cat"


def test_rounding_is_what_t5_does_with_stsb():
    """Halves go to the even multiple (`np.round`), as in the catalogue's own task."""
    for hundredths in range(0, 501, 5):
        score = str(hundredths / 100)
        ours = round_fields({"score": "0.2"}, {"score": score})["score"]
        assert ours == round_similarity({"score": score}), score


@pytest.mark.parametrize(
    ("step", "given", "rounded"),
    [("1e2", "250", "200"), ("5", "12", "10"), ("0.25", "1.3", "1.25"), ("0.2", "-0.05", "0.0")],
)
def test_what_is_rounded_is_written_as_numbers_are(step, given, rounded):
    assert round_fields({"s": step}, {"s": given}) == {"s": rounded}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1_0", "٣", "1e999999", ""])
def test_what_is_no_number_is_not_rounded(text):
    with pytest.raises(RowError, match="not a number"):
        round_fields({"s": "1"}, {"s": text})


@pytest.fixture
def impatient(monkeypatch):
    """Give a pattern a moment only."""
    monkeypatch.setattr(patterns, "SECONDS", 0.05)


SLOW = {
    "extract": "extract: {a: {from: q, pattern: '(a|aa)+$'}}",
    "keep": "keep: {q: '(a|aa)+'}",
    "skip": "skip: {q: '(.*a){20}'}",
}


@pytest.mark.parametrize("key", SLOW)
def test_a_pattern_without_an_end_fails_its_task(
    load, impatient, rte_options, rte_data, write_jsonl, key
):
    task = load([SLOW[key]])
    rows = [{"q": "a", "a": "x"}, {"q": "a" * 4000 + "c", "a": "x"}]
    write_jsonl(rte_data / "own" / "a.jsonl", rows)
    with pytest.raises(DataError) as caught:
        build_dataset(rte_options(tasks=(task,)), lambda line: None)
    pattern = SLOW[key].split("'")[1]
    for part in (
        "task 'own': row 2 of a.jsonl: ",
        f": {key} in line 8 of own.yaml: the pattern {pattern!r} has no answer after 0.05 seconds",
    ):
        assert part in str(caught.value)


def test_what_leaves_rows_out_is_named(load, rte_options, rte_data, write_jsonl):
    task = load(["keep: {lang: de}", "skip: {q: '#.*'}"])
    rows = [{"q": q, "a": "x", "lang": lang} for q in "ab#" for lang in ("de", "en")]
    write_jsonl(rte_data / "own" / "a.jsonl", rows)
    split = build_dataset(rte_options(tasks=(task,)), lambda line: None).task("own").split("train")
    left_out = {"keep in line 8 of own.yaml": 3, "skip in line 9 of own.yaml": 1}
    assert (split.dropped, split.dropped_by) == (4, left_out)
    assert describe_left_out(split) == [
        "left out: 3 by keep in line 8 of own.yaml, 1 by skip in line 9 of own.yaml"
    ]


def test_a_split_of_which_nothing_is_kept_names_the_key(load, rte_options, rte_data, write_jsonl):
    write_jsonl(rte_data / "own" / "a.jsonl", [{"q": "x", "a": "y"}] * 3)
    with pytest.raises(DataError, match=r"3 × left out by keep in line 8 of own\.yaml"):
        build_dataset(rte_options(tasks=(load(["keep: {q: y}"]),)), lambda line: None)


def test_where_a_step_stands_is_no_part_of_the_definition(load):
    first, second = load(["keep: {q: x}"]), load(["# a comment", "keep: {q: x}"])
    assert definition_digest(first) == definition_digest(second)
    assert pickle.loads(pickle.dumps(second)).row_functions[0].place == "keep in line 9 of own.yaml"


def test_what_is_extracted_can_be_extracted_from(load):
    task = load(
        [
            r"extract: {line: {from: text, pattern: 'A: .*'}, a: {from: line, pattern: '\d+'}}",
        ]
    )
    assert task.columns == ("text", "q")
    assert worded(task, q="x", text="Q: 3 A: 4") == [("x", "4")]


@pytest.mark.parametrize("given", ["text", 3, {"a": 1}])
def test_what_is_to_be_joined_is_a_list(load, given):
    task = load(["join: {q: ' or '}"])
    with pytest.raises(RowError, match="unusable field: 'q' is to be joined and is no list: "):
        worded(task, q=given, a="y")
    assert worded(task, q=["v", "w"], a="y") == [("v or w", "y")]


@pytest.mark.parametrize(
    ("steps", "inputs", "message"),
    [
        (["constants: {too: German}"], "to {to}: {q}", "8: nothing reads 'too', which constants"),
        (["defaults: {hnt: none}"], "{q} ({hint})", "8: nothing reads 'hnt', which defaults makes"),
        (["extract: {ans: {from: q, pattern: .}}"], "{q}", "8: nothing reads 'ans', which extract"),
        (["round: {b: 1}", "join: {aa: x}"], "{q}", "8: nothing reads 'b', which round"),
        (["join: {aa: x}"], "{q}", "8: nothing reads 'aa', which join makes; did you mean 'a'?"),
    ],
)
def test_a_step_whose_field_nothing_reads_is_refused(load, steps, inputs, message):
    with pytest.raises(UsageError) as caught:
        load(steps, inputs=inputs)
    assert f"own.yaml:{message}" in str(caught.value)


def test_what_steps_make_may_be_read_by_other_steps(load):
    task = load(
        [
            "defaults: {lang: de}",
            "keep: {lang: de}",
            "extract: {b: {from: text, pattern: .+}, a: {from: b, pattern: .+}}",
        ]
    )
    assert worded(task, q="x", text="y") == [("x", "y")]


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        (["skip: {lien: '#.*'}"], "lien"),
        (["keep: {lien: .*}"], "lien"),
        (["extract: {q: {from: lien, pattern: .}, a: {from: line, pattern: .}}"], "lien"),
    ],
)
def test_a_field_that_lines_do_not_have_is_told_before_they_are_read(
    load, rte_options, rte_data, steps, name
):
    (rte_data / "own").mkdir()
    (rte_data / "own" / "a.txt").write_text("x y\n" * 3)
    made = load(steps, *(() if "extract" in steps[0] else ("{line}", "{line}")))
    files = {"train": FileSpec("a.txt", "lines"), "validation": FileSpec("a.txt", "lines")}
    task = dataclasses.replace(made, source=FileSource(("own",), (Layout(files),)))
    with pytest.raises(DataError, match=rf"needs the column '{name}'.*did you mean 'line'\?"):
        plan_task(task, rte_data, 8)


def test_groups_and_answers_are_columns_too(load, tmp_path, write_jsonl):
    task = load(
        ["group: '{passage}'", "document: '{from}'", "no_answer: none", "answers: gold.text"],
        targets="",
    )
    assert task.columns == ("q", "gold", "passage", "from")
    write_jsonl(
        tmp_path / "own" / "a.jsonl", [{"q": "x", "golden": [], "passage": "p", "from": "a"}]
    )
    with pytest.raises(DataError, match=r"needs the column 'gold'.*did you mean 'golden'\?"):
        plan_task(task, tmp_path, 8)
