"""Confusions and similarities, counted by hand."""

from eval.report.page.matrices import (
    NEITHER,
    OTHERS,
    count_confusions,
    list_confusions,
    say_confusions,
    show_similarity,
)


def texts(matrix):
    return {name: [cell.text for cell in cells] for name, cells in matrix.rows}


def test_confusions_by_hand():
    targets, given = ["a", "a", "a", "b"], ["a", "b", "a", "b"]
    matrix = count_confusions(targets, given, ["a", "b", "c"])
    assert matrix.columns == ("a", "b", "c")
    assert texts(matrix) == {"a": ["2", "1", "0"], "b": ["0", "1", "0"], "c": ["0", "0", "0"]}
    cell = matrix.rows[0][1][0]
    assert cell.shade == 2 / 3 and cell.is_on_diagonal


def test_answers_that_are_no_label_have_a_column():
    matrix = count_confusions(["a", "b"], ["x", "b"], ["a", "b"])
    assert matrix.columns == ("a", "b", NEITHER)
    assert texts(matrix) == {"a": ["0", "0", "1"], "b": ["0", "1", "0"]}


def test_rare_labels_are_counted_together():
    targets = ["a", "a", "b", "b", "c", "d"]
    matrix = count_confusions(targets, ["a", "c", "b", "b", "d", "a"], list("abcd"), most=2)
    assert matrix.columns == ("a", "b", OTHERS) and "the 2 most frequent" in matrix.caption
    assert texts(matrix) == {"a": ["1", "0", "1"], "b": ["0", "2", "0"], OTHERS: ["1", "0", "1"]}
    assert not matrix.rows[2][1][2].is_on_diagonal


def test_a_label_alone_is_a_sentence():
    assert say_confusions(["a", "b"], ["a", "a"]) == ""
    said = say_confusions(["a"] * 3, ["b", "", "b"])
    assert said == "the right answer is always a; given are b (2), nothing (1)."
    assert say_confusions(["a"] * 7, list("abcdefg")).endswith("e (1) and 2 more.")


def test_what_is_confused_most_often():
    assert list_confusions(["a", "a", "b", "c"], ["b", "b", "a", "c"]) == [
        ("a", "b", 2),
        ("b", "a", 1),
    ]


def test_tasks_are_shaded_between_the_least_and_the_most_alike():
    cosines = [[1, 0.2, 0.6], [0.2, 1, -0.2], [0.6, -0.2, 1]]
    matrix = show_similarity(["x", "y", "z"], cosines)
    assert texts(matrix)["y"] == ["0.20", "1.00", "−0.20"]
    assert [cell.shade for cell in matrix.rows[2][1]] == [1.0, 0.0, 1.0]
