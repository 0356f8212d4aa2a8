"""What a template makes of values that are no texts."""

import datetime
import decimal

import pytest

from prep.sources.row import RowError
from prep.tasks.row_steps import join_fields
from prep.tasks.tasks_file import load_tasks
from prep.tasks.templates import compile_template


@pytest.mark.parametrize("template", ["{x}", "of {x}!", "x: {x}, y: {y}", "{z[x]} and {y}"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (["p", "q"], r"is of type list: \['p', 'q'\]; `join` says how"),
        (b"abc", "is of type bytes: b'abc'"),
        (float("nan"), "is nan, a number that is none"),
        (float("-inf"), "is -inf, a number that is none"),
        ({"a": 1}, "is of type dict"),
        (object(), "is of type object"),
        (None, "missing field"),
    ],
)
def test_values_of_which_only_python_has_a_text_are_refused(template, value, reason):
    fill = compile_template(template)
    with pytest.raises(RowError, match=reason):
        fill({"x": value, "y": "fine", "z": {"x": value}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nan", "nan"),
        (3, "3"),
        (2.5, "2.5"),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_values_that_have_a_text_are_written(value, text):
    assert compile_template("{x}")({"x": value}) == text
    assert compile_template("{x} {y}", "{a} ")({"x": value, "y": value}) == f"{{a}} {text} {text}"


def test_formats_and_conversions_are_the_templates_own_business():
    assert compile_template("{x:.1f}")({"x": 2.25}) == "2.2"
    assert compile_template("{x!r}")({"x": ["p"]}) == "['p']"
    with pytest.raises(RowError, match="is nan"):
        compile_template("{x:.1f}")({"x": float("nan")})


def test_items_are_of_lists_and_never_letters_of_a_text():
    fill = compile_template("{x[0]} {y[a][1]}")
    assert fill({"x": ["p", "q"], "y": {"a": ["r", "s"]}}) == "p s"
    with pytest.raises(RowError, match=r"'x' is a text, and 'x\[0\]' one of its letters"):
        fill({"x": "pq", "y": {"a": ["r", "s"]}})
    with pytest.raises(RowError, match=r"'y\[a\]' is a text"):
        fill({"x": ["p"], "y": {"a": "rs"}})


def test_lists_are_joined_where_the_task_says_how(tmp_path):
    (tmp_path / "tasks.yaml").write_text(
        '- {name: t, kind: generation, inputs: "{choices}", targets: "{answer}",\n'
        '   metrics: [exact_match], files: {train: train.jsonl}, join: {choices: " | "}}\n'
    )
    (task,) = load_tasks(tmp_path / "tasks.yaml")
    (join,) = task.row_functions
    assert join({"choices": ["p", 2], "answer": "p"}) == {"choices": "p | 2", "answer": "p"}
    assert join({"answer": "p"}) == {"answer": "p"}
    assert task.columns == ("choices", "answer")
    with pytest.raises(RowError, match="is no list"):
        join_fields({"choices": " "}, {"choices": "p"})
    with pytest.raises(RowError, match="of type dict"):
        join_fields({"choices": " "}, {"choices": [{"text": "p"}]})
