import pytest

from prep.drafting.columns import describe_column

ROWS = [
    {"n": 1, "text": "one two", "list": ["a"], "mixed": "x", "object": {"a": 1}, "gap": ""},
    {"n": "2.0", "text": " one two ", "list": [], "mixed": 3, "object": {"a": 2}},
    {"n": "-3e1", "text": "three", "list": ["b", "c"], "mixed": None, "object": {}, "gap": "y"},
]


@pytest.mark.parametrize(
    ("name", "filled", "distinct", "kinds"),
    [
        ("n", 3, 3, {"numbers", "whole", "texts"}),
        ("text", 3, 2, {"texts"}),
        ("list", 3, 0, {"lists"}),
        ("mixed", 2, 2, {"texts"}),
        ("object", 3, 0, set()),
        ("gap", 1, 1, {"texts"}),
        ("absent", 0, 0, {"texts"}),
    ],
)
def test_what_a_column_holds(name, filled, distinct, kinds):
    column = describe_column(name, ROWS)
    assert (column.filled, column.rows, column.distinct) == (filled, 3, distinct)
    found = {
        kind for kind in ("numbers", "whole", "lists", "texts") if getattr(column, f"are_{kind}")
    }
    assert found == kinds


def test_counts_begin_with_the_most_frequent():
    column = describe_column("text", ROWS)
    assert list(column.counts.items()) == [("one two", 2), ("three", 1)]
    assert column.words == pytest.approx(5 / 3) and column.examples == 1.5
