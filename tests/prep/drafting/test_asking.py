import pytest

from prep.drafting.asking import ask_roles, ask_word, refuse_without_terminal
from prep.drafting.columns import describe_column
from prep.drafting.roles import guess_roles
from prep.errors import UsageError

ROWS = [{"a": f"text {n}", "b": f"more {n}", "label": "xy"[n % 2]} for n in range(30)]


def asked(*answers):
    columns = [describe_column(name, ROWS) for name in ROWS[0]]
    given, questions = iter(answers), []

    def ask(question):
        questions.append(question)
        return next(given)

    return ask_roles(columns, guess_roles(columns), ask), questions


def test_enter_takes_the_guess():
    roles, questions = asked("", "")
    assert (roles.inputs, roles.answers) == (("a", "b"), ("label",))
    assert questions == ["answers are in [label]: ", "asked about are [a, b]: "]


def test_other_columns_are_taken_and_slips_are_asked_again(capsys):
    roles, questions = asked("lable", "b", "b", "a")
    assert (roles.inputs, roles.answers) == (("a",), ("b",))
    assert questions[2] == "asked about are [a]: "
    out = capsys.readouterr().out
    assert "did you mean 'label'?" in out and "b: that holds answers" in out


def test_a_word_is_one_of_some(capsys):
    answers = iter(["clasification", "classification"])
    word = ask_word("kind", "generation", ("classification", "generation"), lambda _: next(answers))
    assert word == "classification" and "did you mean" in capsys.readouterr().out
    assert ask_word("name", "t", (), lambda _: "") == "t"


def test_nobody_is_asked_without_a_terminal():
    refuse_without_terminal(True)
    with pytest.raises(UsageError, match="--yes takes what is guessed"):
        refuse_without_terminal(False)


def test_the_end_of_the_terminal_is_no_answer(monkeypatch):
    def end(question):
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    with pytest.raises(UsageError, match="nothing was written; Enter takes what is guessed"):
        ask_word("the task is called", "rev", ())
