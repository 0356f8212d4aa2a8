import pytest

from prep.drafting.columns import describe_column
from prep.drafting.roles import guess_roles, is_choice
from prep.errors import UsageError


def columns(count=60, **values):
    """Columns whose values are made of the row's number."""
    rows = [{name: make(number) for name, make in values.items()} for number in range(count)]
    return [describe_column(name, rows) for name in values]


def text(number):
    return f"words that differ {number}"


def test_names_tell_answers_each_a_task():
    roles = guess_roles(
        columns(
            ticket_id=lambda n: 100 + n,
            message=text,
            category=lambda n: "ab"[n % 2],
            summary=lambda n: f"short {n}",
        )
    )
    assert (roles.inputs, roles.answers) == (("message",), ("category", "summary"))
    assert "tells rows apart" in roles.left_out["ticket_id"]
    assert roles.why["category"] == "it is called 'category'"


@pytest.mark.parametrize("name", ["goldLabel", "gold label", "GOLD_LABEL", "label"])
def test_names_are_read_in_words(name):
    assert guess_roles(columns(text=text, **{name: text})).answers == (name,)


def test_without_a_name_few_values_numbers_or_the_last_column():
    few = columns(a=text, colour=lambda n: "rg"[n % 2], b=text)
    assert guess_roles(few).answers == ("colour",)
    numbers = columns(a=text, size=lambda n: n / 7, b=text)
    assert guess_roles(numbers).answers == ("size",)
    assert guess_roles(columns(a=text, b=text)).answers == ("b",)
    assert guess_roles(columns(a=text)).answers == ()


def test_why_columns_are_left_out():
    roles = guess_roles(
        columns(
            text=text,
            label=lambda n: "ab"[n % 2],
            version=lambda n: "1.1",
            rare=lambda n: "x" if n < 9 else "",
            priority=lambda n: "ab"[n % 2] if n < 9 else "",
            meta=lambda n: {"a": n},
            tags=lambda n: ["a", str(n)],
            url=lambda n: f"http://x/{n}",
            nothing=lambda n: None,
        )
    )
    assert (roles.inputs, roles.answers) == (("text",), ("label", "priority"))
    assert {name: reason.split(",")[0] for name, reason in roles.left_out.items()} == {
        "version": "it is '1.1' in all rows",
        "rare": "only 9 of 60 rows have it",
        "meta": "it holds objects",
        "tags": "it holds lists",
        "url": "it tells rows apart and says nothing of them",
        "nothing": "it is empty",
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda n: f"u-{n:05}",
        lambda n: f"{n * 7919:08x}-11ce-{n:04x}",
        lambda n: f"name{n}@mail.org",
        lambda n: str(n),
    ],
)
def test_what_looks_like_the_name_of_a_row_is_not_asked_about(make):
    roles = guess_roles(columns(record=make, text=text, label=lambda n: "ab"[n % 2]))
    assert roles.inputs == ("text",) and "tells rows apart" in roles.left_out["record"]


def test_words_that_all_differ_are_asked_about():
    words = columns(lemma=lambda n: "word" + "abcdefgh"[n % 8] * n, form=lambda n: f"words {n}")
    assert guess_roles(words).inputs == ("lemma",)
    few = columns(count=9, word=lambda n: f"w{n}", label=lambda n: "abc"[n % 3])
    assert guess_roles(few).inputs == ("word",)


def test_other_answers_are_not_told_with_the_question():
    given = columns(text=text, label=lambda n: "ab"[n % 2], score=lambda n: n / 7, more=text)
    roles = guess_roles(given, ["label"])
    assert roles.inputs == ("text", "more") and "another answer" in roles.left_out["score"]
    assert guess_roles(given, ["label"], ["text", "score"]).inputs == ("text", "score")
    answers_alone = columns(answer=text, label=lambda n: "ab"[n % 2])
    assert guess_roles(answers_alone, ["label"]).inputs == ("answer",)


def test_a_column_of_splits_is_left_out():
    roles = guess_roles(
        columns(text=text, split=lambda n: ["train", "test"][n % 2], label=lambda n: "ab"[n % 2])
    )
    assert roles.inputs == ("text",) and "splits" in roles.left_out["split"]


def test_a_long_text_that_all_rows_have_is_not_told_in_full():
    roles = guess_roles(columns(text=lambda n: "w " * 500, label=lambda n: "ab"[n % 2]))
    assert roles.left_out == {"text": f"it is '{'w ' * 20}…' in all rows"}


def test_what_a_person_names_is_taken():
    given = columns(a=text, b=text, c=lambda n: "xy"[n % 2], label=lambda n: "xy"[n % 2])
    roles = guess_roles(given, ["c"], ["b"])
    assert (roles.inputs, roles.answers) == (("b",), ("c",))
    assert roles.left_out == {"a": "it was not named", "label": "it was not named"}
    assert guess_roles(given, (), ["a"]).answers == ("label",)


@pytest.mark.parametrize(
    ("answers", "inputs", "message"),
    [
        (["lable"], [], "--answer: there is no column 'lable'; did you mean 'label'"),
        ([], ["txt"], "--inputs: there is no column 'txt'; did you mean 'text'"),
        (["label"], ["label"], "label: a column cannot be both"),
        (["label", "text"], [], "no column is left that could be asked about"),
    ],
)
def test_what_cannot_be(answers, inputs, message):
    with pytest.raises(UsageError, match=message):
        guess_roles(columns(text=text, label=lambda n: "ab"[n % 2]), answers, inputs)


def test_choices_by_name():
    assert all(map(is_choice, ("choice1", "option_a", "Ending0", "opt b", "answer2")))
    assert not any(map(is_choice, ("choice", "answer", "question1", "answers")))
