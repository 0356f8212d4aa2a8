"""What a person is told of columns before a task is made of them."""

import pytest

from prep.drafting.advice import advise, find_giveaways
from prep.drafting.columns import describe_column
from prep.drafting.roles import guess_roles


def advice(count=200, **made):
    rows = [{name: make(n) for name, make in made.items()} for n in range(count)]
    columns = [describe_column(name, rows) for name in made]
    return advise(columns, guess_roles(columns))


def text(n):
    return f"text {n}"


def test_nothing_is_said_of_what_is_well():
    assert advice(text=text, score=lambda n: n / 7) == []


@pytest.mark.parametrize(
    ("value", "is_told"),
    [
        (lambda n: f"{n},{n % 10}", True),
        (lambda n: f"1.00{n % 10},5" if n else "3", True),
        (lambda n: f"{n}, {n}", False),
        (lambda n: f"{n},5" if n else "none", False),
    ],
)
def test_numbers_with_a_comma(value, is_told):
    said = advice(text=text, score=value)
    assert [one.startswith("'score' looks like numbers with a comma") for one in said] == (
        [True] * is_told
    )


@pytest.mark.parametrize(
    "day", ["2025-06-{:02}", "{}.6.2025", "6/{}/25", "2025-06-{:02} 12:30:00", "2025-06-{:02}T1:30"]
)
def test_dates_that_are_asked_about(day):
    made = {"date": lambda n: day.format(n % 28 + 1), "text": text, "label": lambda n: "ab"[n % 2]}
    (said,) = advice(**made)
    assert said.startswith("'date' looks like dates and is asked about")
    assert not advice(**{**made, "date": lambda n: f"room 2025-06-{n}"})


def test_few_rows_and_rows_without_answers():
    made = {"question": text, "answers": lambda n: ["x"] if n % 3 else []}
    few, (without, *_) = advice(6, **made)[0], advice(**made)
    assert few.startswith("6 rows are too few to judge by")
    assert without.startswith("67 of 200 rows have no answer in 'answers'")


def giveaways(**made):
    rows = [{name: make(n) for name, make in made.items()} for n in range(100)]
    columns = [describe_column(name, rows) for name in made]
    return find_giveaways(columns, guess_roles(columns), rows)


def test_an_input_that_gives_the_answer_away():
    made = {"text": text, "shelf": lambda n: n % 5, "again": lambda n: ["no", "yes"][n % 5 > 2]}
    (said,) = giveaways(**made)
    assert said.startswith("'shelf' gives 'again' away: each of its 5 values has one answer.")
    assert not giveaways(**{**made, "again": lambda n: ["no", "yes"][n % 5 > 2 or n == 7]})
    assert not giveaways(text=text, again=made["again"])  # every text has one answer: it is read
    assert not giveaways(**{**made, "shelf": lambda n: n // 3})  # as 33 values of three rows may


def test_inputs_that_may_be_answers():
    made = {"text": text, "again": lambda n: "ab"[n % 2], "stars": lambda n: n % 5}
    (said,) = advice(**made)
    assert said.startswith("'again' has few different values and is asked about: if it is")
    (said,) = advice(shop=lambda n: n % 3, **made)
    assert said.startswith("'shop', 'again' have few different values and are asked about: if one")
    rows = [{name: make(n) for name, make in made.items()} for n in range(200)]
    columns = [describe_column(name, rows) for name in made]
    assert not advise(columns, guess_roles(columns, answers=["stars"]))  # a person said so
    options = {f"option{letter}": lambda n: n % 4 for letter in "ab"}
    assert not advice(**options, answer=lambda n: "ab"[n % 2])


def test_answers_that_are_left_out_are_told():
    (said,) = advice(text=lambda n: f"a text of many words {n}", label=lambda n: "ok")
    assert said.startswith("no column of answers is left, so the text itself is learned from.")
    assert said.endswith("'label' is left out: it is 'ok' in all rows")


def test_a_column_of_splits_is_told():
    said = advice(text=text, split=lambda n: ["train", "test"][n % 2], score=lambda n: n / 7)
    assert len(said) == 1 and "says which split a row is of (train, test)" in said[0]
