import pytest

from prep.drafting.columns import describe_column, describe_nested

NAN = float("nan")
ROWS = [
    {"n": 1, "text": "one two", "list": ["a"], "mix": "x", "obj": {"a": 1}, "gap": "", "f": NAN},
    {"n": "2.0", "text": " one two ", "list": [], "mix": 3, "obj": {"a": 2}, "f": "NaN"},
    {"n": "-3e1", "text": "three", "list": ["b", "c"], "mix": None, "obj": {}, "gap": "y", "f": 5},
]


@pytest.mark.parametrize(
    ("name", "filled", "distinct", "kinds"),
    [
        ("n", 3, 3, {"numbers", "whole", "texts"}),
        ("text", 3, 2, {"texts"}),
        ("list", 3, 0, {"lists"}),
        ("mix", 2, 2, {"texts"}),
        ("obj", 3, 0, set()),
        ("gap", 1, 1, {"texts"}),
        ("f", 1, 1, {"numbers", "whole", "texts"}),
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


@pytest.mark.parametrize(
    ("values", "empty"),
    [
        ([{"text": ["a", "b"], "start": [1, 2]}, {"text": [], "start": []}], 1),  # as SQuAD has it
        ([[{"text": "a"}, {"text": "b"}], [], None], 2),  # as its own files have it
        ([{"text": "a"}], 0),
        ([{"text": 3}], None),
        ([{"text": "a"}, {"words": "b"}], None),
        (["text"], None),
        ([["a"]], None),
        ([[], None], None),
    ],
)
def test_texts_in_objects_are_lists(values, empty):
    column = describe_nested("answers", [{"answers": value} for value in values])
    if empty is None:
        assert column is None
    else:
        assert (column.name, column.are_lists, column.is_nested) == ("answers.text", True, True)
        assert (column.rows, column.empty_lists) == (len(values), empty)


def test_counts_begin_with_the_most_frequent():
    column = describe_column("text", ROWS)
    assert list(column.counts.items()) == [("one two", 2), ("three", 1)]
    assert column.words == pytest.approx(5 / 3) and column.examples == 1.5


@pytest.mark.parametrize("word", ["nan", "NaN", "-nan", "<NA>", "#N/A"])
def test_what_programs_write_where_a_value_is_missing(word):
    rows = [{"a": value} for value in (word, f" {word}", "NA", "nana", "none")]
    column = describe_column("a", rows)
    assert column.missing == {word: 2} and list(column.counts) == ["NA", "nana", "none"]
