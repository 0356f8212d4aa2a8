"""Which tasks are worded by a template alone, and why others are not."""

import dataclasses

import pytest

from eval.serving.wording import template_of
from prep import get_task


def test_a_plain_template_is_found_with_its_fields():
    template, why = template_of(get_task("rte"))
    assert template.fields == ("sentence1", "sentence2") and why == ""


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (None, "is not here"),
        (dataclasses.replace(get_task("rte"), row_functions=(dict,)), "its rows are changed"),
        (dataclasses.replace(get_task("rte"), inputs="{sentence1:>9}"), "more than names"),
        (dataclasses.replace(get_task("rte"), inputs=lambda row: ""), "by a function"),
    ],
)
def test_what_has_no_template_is_told_why(task, why):
    template, said = template_of(task)
    assert template is None and why in said
