import pytest

from prep.drafting.columns import describe_column
from prep.drafting.drafts import draft_task, draft_tasks, label_words, task_name
from prep.drafting.roles import guess_roles
from prep.errors import UsageError


def draft(answer, count=60, asked=None, kind="", name="label"):
    made = {"text": lambda n: f"text {n}", **(asked or {}), name: answer}
    rows = [{key: make(n) for key, make in made.items()} for n in range(count)]
    columns = [describe_column(column, rows) for column in rows[0]]
    roles = guess_roles(columns, [name])
    return draft_task("t", columns[-1], roles, 5.0, kind)


@pytest.mark.parametrize(
    ("answer", "kind", "metrics"),
    [
        (lambda n: ["bad", "good"][n % 2], "classification", ("accuracy", "f1")),
        (lambda n: ["bad", "good", "so so"][n % 3], "classification", ("accuracy", "f1_macro")),
        (lambda n: "rare" if n == 3 else "usual", "classification", ("f1_macro", "accuracy")),
        (lambda n: n % 2, "classification", ("accuracy", "f1")),
        (lambda n: n / 7, "regression", ("pearson", "spearman")),
        (lambda n: f"Paris {n}", "generation", ("exact_match",)),
        (lambda n: f"the town of Paris {n}", "generation", ("squad_f1", "squad_em")),
        (
            lambda n: f"one sentence with more than eight words in {n}",
            "generation",
            ("rouge_l", "bleu"),
        ),
        (lambda n: [f"Paris {n}", "it"], "generation", ("squad_f1", "squad_em")),
    ],
)
def test_kinds_and_metrics(answer, kind, metrics):
    found = draft(answer)
    assert (found.kind, found.metrics) == (kind, metrics)
    assert bool(found.labels) == (kind == "classification")


def test_scores_are_numbers_though_they_are_few():
    assert draft(lambda n: n % 5, name="rating").kind == "regression"
    assert draft(lambda n: n % 5).kind == "classification"
    assert draft(lambda n: n % 5, kind="regression").kind == "regression"


def test_choices_make_a_multiple_choice():
    asked = {"choice1": lambda n: f"a {n}", "choice2": lambda n: f"b {n}"}
    found = draft(lambda n: n % 2, asked=asked)
    assert (found.kind, found.metrics) == ("multiple_choice", ("accuracy",))


def test_spellings_of_one_label_are_one_word():
    column = describe_column("x", [{"x": one} for one in ("Yes", "yes", "yes", "no", "10", "9")])
    found = label_words(column)
    assert found == {"Yes": "yes", "no": "no", "yes": "yes", "9": "9", "10": "10"}
    assert list(found)[-2:] == ["9", "10"]  # numbers as numbers


def test_raw_text_is_learned_from_where_there_is_some():
    texts = [describe_column("line", [{"line": f"some words of a text {n}"} for n in range(9)])]
    only = draft_tasks("t", texts, guess_roles(texts))
    assert (only[0].answer, only[0].kind) == ("", "generation")
    words = [describe_column("line", [{"line": f"w{n}"} for n in range(9)])]
    with pytest.raises(UsageError, match="nothing looks like answers"):
        draft_tasks("t", words, guess_roles(words))


@pytest.mark.parametrize(
    ("text", "name"),
    [("My File-2", "my_file_2"), ("2024", "task_2024"), ("тикеты", "task"), ("été", "t")],
)
def test_names_of_tasks(text, name):
    assert task_name(text) == name
