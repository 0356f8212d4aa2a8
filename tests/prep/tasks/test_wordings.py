"""The wordings of publications."""

import pytest

from prep.errors import UsageError
from prep.tasks import ALL_TASKS, get_task
from prep.tasks.examples import row_to_example
from prep.tasks.wordings import worded_as


def test_the_name_stands_in_front_only_where_it_is_wanted():
    row = {"premise": "p", "hypothesis": "h", "label": "neutral"}
    cb = get_task("cb")
    made = row_to_example(worded_as(cb, "hyperformer", has_name_in_front=True))(row)
    assert tuple(made)[:3] == ("superglue-cb premise: p hypothesis: h", "2", 2)
    sst2 = worded_as(get_task("sst2"), "hyperformer", has_name_in_front=True)
    made = row_to_example(sst2)({"sentence": "{fine}", "label": "1"})
    assert tuple(made)[:3] == ("sst2 sentence: {fine}", "1", 1)
    translation = worded_as(get_task("wmt16_en_cs"), "hyperformer", has_name_in_front=True)
    made = row_to_example(translation)({"en": "Yes", "cs": "Ano"})
    assert made.inputs == "Translate English to Czech Yes"


@pytest.mark.parametrize("task", ALL_TASKS, ids=lambda task: task.name)
def test_every_task_has_both_wordings_or_says_that_it_has_not(task):
    if task.name.startswith("scan_file"):
        with pytest.raises(UsageError, match="has no wording in `format=hyperformer`"):
            worded_as(task, "hyperformer")
        return
    other = worded_as(task, "hyperformer")
    assert other.inputs
    assert len(other.label_words) == len(task.label_words)
    assert all(word.isdecimal() for word in other.label_words)
    with pytest.raises(UsageError, match="no format 't6'"):
        worded_as(task, "t6")
