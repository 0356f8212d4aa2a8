import json

import pytest
import yaml

from prep.drafting.columns import describe_column, describe_nested
from prep.drafting.drafts import draft_tasks
from prep.drafting.looking import look_at
from prep.drafting.roles import guess_roles
from prep.drafting.writing import format_tasks, rounding_step, safe_names
from prep.tasks.tasks_file import load_tasks


def write(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_text(content)
    seen = look_at(path)
    columns = [
        describe_nested(column, seen.rows) or describe_column(column, seen.rows)
        for column in seen.columns
    ]
    roles = guess_roles(columns)
    drafts = draft_tasks("t", columns, roles)
    text = format_tasks(drafts, {"train": seen}, columns, roles, tmp_path.resolve(), "A title")
    file = tmp_path / "tasks.yaml"
    file.write_text(text)
    return text, load_tasks(file)


def test_reasons_stand_beside_the_keys(tmp_path):
    rows = "".join(f"{n},text number {n},{'yes' if n % 3 else 'no'}\n" for n in range(30))
    text, (task,) = write(tmp_path, "id,text,label\n" + rows)
    assert text.startswith("# A title\n# 30 rows are too few")
    assert "\n\n- name: t\n  kind: classification  # it has 2 different" in text
    assert "  # id is left out: it tells rows apart and says nothing of them\n" in text
    assert '    "yes": "yes"  # 20 rows, 67%\n' in text
    assert (task.inputs, task.targets) == ("t: {text}", "{label}")
    assert dict(task.labels) == {"no": "no", "yes": "yes"}
    assert task.source.layouts[0].carve.share == 0.1


def test_odd_names_and_values_are_read_back_as_they_are(tmp_path):
    rows = "".join(f"text {n};{['a: b', '# c', 'null'][n % 3]};x\n" for n in range(30))
    text, (task,) = write(tmp_path, "in:put;gold{1};x[0]\n" + rows.replace(";x", f";{'x'}"))
    assert set(task.labels) == {"a: b", "# c", "null"}
    assert task.inputs == "t: {in_put}" and task.targets == "{gold_1}"
    spec = task.source.layouts[0].files["train"]
    assert spec.delimiter == ";" and spec.rename["in:put"] == "in_put"
    assert yaml.safe_load(text)[0]["name"] == "t"


def test_what_nobody_can_see_is_read_back_too(tmp_path):
    odd = ["a\u2028b", "a\x07b", "\ufeff\x7fc", "\U000e0001"]
    lines = [json.dumps({"te\0xt": f"text {n}", "label": odd[n % 4]}) for n in range(30)]
    text, (task,) = write(tmp_path, "\n".join(lines), "a.jsonl")
    assert set(task.labels) == set(odd) and len(text.splitlines()) < 25
    assert task.source.layouts[0].files["train"].rename == {"te\0xt": "te_xt"}


def test_rows_that_lack_the_field_or_have_a_null_are_left_out(tmp_path):
    lines = [
        json.dumps({"text": f"t {n}", **({"label": "ab"[n % 2]} if n % 3 else {})})
        for n in range(30)
    ]
    lines += ['{"text": "t", "label": null}']
    _, (task,) = write(tmp_path, "\n".join(lines), "a.jsonl")
    rows = [{"text": "x"}, {"text": "x", "label": None}, {"text": "x", "label": "a"}]
    for function in task.row_functions:
        rows = [done for row in rows if (done := function(row)) is not None]
    assert rows == [{"text": "x", "label": "a"}]


def test_rows_without_an_answer_are_left_out(tmp_path):
    rows = "".join(f"text {n},{['good', 'so so'][n % 2] if n % 3 else ''}\n" for n in range(30))
    text, (task,) = write(tmp_path, "text,label\n" + rows)
    assert "}  # 10 rows have no answer, and are left out\n" in text
    (keep,) = task.row_functions
    assert keep({"text": "x", "label": " "}) is None
    assert keep({"text": "x", "label": "so\nso"}) == {"text": "x", "label": "so\nso"}


def test_rows_whose_answer_is_no_number_are_left_out(tmp_path):
    rows = "".join(f"text {n},{['good', 'bad', ' NaN', ''][n % 4]}\n" for n in range(40))
    text, (task,) = write(tmp_path, "text,label\n" + rows)
    assert set(task.labels) == {"good", "bad"}
    assert text.count("# 10 rows have no answer") == 2
    rows = [{"text": "x", "label": one} for one in (" NaN", "", "good", "NaN or not")]
    for function in task.row_functions:
        rows = [done for row in rows if (done := function(row)) is not None]
    assert [row["label"] for row in rows] == ["good", "NaN or not"]
    scores = [0.5 * (n % 20) if n % 2 else float("nan") for n in range(60)]
    lines = [json.dumps({"text": f"t {n}", "score": one}) for n, one in enumerate(scores)]
    text, (task,) = write(tmp_path, "\n".join(lines), "a.jsonl")
    assert task.kind == "regression" and "30 rows have no answer, and are left out" in text
    rows = [{"text": "x", "score": 1.5}, {"text": "x", "score": float("nan")}]
    for function in task.row_functions:
        rows = [done for row in rows if (done := function(row)) is not None]
    assert len(rows) == 1


def test_new_names_are_no_others(tmp_path):
    columns = [describe_column(name, []) for name in ("a.b", "a_b", "1", "", "plain name", "текст")]
    assert safe_names(columns) == {"a.b": "a_b_", "1": "column_1", "": "column_4"}


def test_lists_numbers_and_raw_text(tmp_path):
    lines = "".join(f'{{"question": "what is {n}", "answers": ["x", "y"]}}\n' for n in range(3))
    _, (task,) = write(tmp_path, lines, "a.jsonl")
    assert task.answers is not None and task.kind == "generation" and not task.no_answer
    _, (task,) = write(tmp_path, lines + '{"question": "why", "answers": []}\n', "a.jsonl")
    assert task.no_answer == "no answer"
    rows = "".join(f"text {n},{n / 14:.2f}\n" for n in range(70))
    text, (task,) = write(tmp_path, "text,score\n" + rows)
    assert "round: {score: 0.2}" in text and task.kind == "regression"
    _, (task,) = write(tmp_path, "".join(f"some words of a text {n}\n" for n in range(5)), "a.txt")
    assert task.objective == "span_corruption" and task.metrics == ("exact_match",)


def test_answers_inside_objects_and_the_documents_they_are_about(tmp_path):
    rows = [
        {
            "context": f"{'a long text about a cup ' * 5}{number // 2}",
            "question": f"what is {number}",
            "answers": {"text": [str(number)] if number % 3 else [], "answer_start": [0]},
        }
        for number in range(120)
    ]
    text, (task,) = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "a.jsonl")
    assert 'inputs: "t: context: {context} question: {question}"' in text
    assert "answers: answers.text  #" in text and "\n  no_answer: no answer" in text
    assert list(task.answers(rows[1])) == ["1"] and list(task.answers(rows[0])) == ["no answer"]
    assert 'document: "{context}"  # 60 of them;' in text and task.document == "{context}"
    unlike = [{**row, "context": f"{row['context']} {n}"} for n, row in enumerate(rows)]
    text, (task,) = write(tmp_path, "".join(json.dumps(row) + "\n" for row in unlike), "a.jsonl")
    assert not task.document


@pytest.mark.parametrize(
    ("numbers", "step"),
    [
        ([n / 20 for n in range(101)], "0.2"),  # 0 to 5
        ([n / 2000 for n in range(180)], "0.002"),  # 0 to 0.0895
        ([n + 0.5 for n in range(9000, 90000, 500)], "2000"),
        ([n / 2 for n in range(11)], ""),  # stars and halves
        (list(range(500)), ""),
    ],
)
def test_numbers_are_rounded_to_some_twenty_multiples_or_more(numbers, step):
    assert rounding_step(describe_column("score", [{"score": one} for one in numbers])) == step
