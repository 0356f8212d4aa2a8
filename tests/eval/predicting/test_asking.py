"""What a person is told of answers."""

from types import SimpleNamespace

from eval.predicting.asking import TextAnswerer
from prep import TaskEntry


def test_the_first_answers_that_are_none_of_those_asked_for_are_told(capsys):
    entry = TaskEntry("grade", "regression", (), (), ("pearson",), 4, 1, {})
    session = SimpleNamespace(manifest=SimpleNamespace(tasks={"grade": entry}), vocabulary=None)
    answerer = TextAnswerer(session, "grade")
    answerer._warn_of_unreadable(["1.5", "no", "2"])
    answerer._warn_of_unreadable(["nan", "-3", "", "what"])
    assert capsys.readouterr().err.splitlines() == [
        "warning: an answer to grade is a number, and this is none: 'no'",
        "warning: an answer to grade is a number, and this is none: 'nan'",
        "warning: an answer to grade is a number, and this is none: '' (more are not shown)",
    ]
