"""What a task file can have done with rows before they are worded."""

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.reading import read_split, read_vocabulary
from prep.errors import UsageError
from prep.sources.row import RowError
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
    for hint in ({}, {"hint": None}, {"hint": ""}):
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
