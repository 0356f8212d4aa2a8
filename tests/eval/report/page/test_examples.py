"""The examples that are shown: the worst first."""

from eval.report.page.examples import choose_examples, cut
from eval.report.page.judging import judge


def chosen(run, task):
    return choose_examples(judge(run.document["tasks"][task], run.predictions[task]))


def test_of_labels_the_most_confidently_wrong(run_of):
    (listed,) = chosen(run_of(), "colour")
    assert listed.title == "Most confidently wrong"
    assert [(one.number, one.measure) for one in listed.examples] == [
        (3, "confidence 0.900"),
        (1, "confidence 0.800"),
    ]


def test_of_three_labels_also_where_the_right_one_is_least_likely(line_of, figures_of):
    shares = [{"a": 0.5, "b": 0.4, "c": 0.1}, {"a": 0.6, "b": 0.3, "c": 0.1}]
    lines = [
        line_of("t", number, target, "a", probabilities=one)
        for number, (target, one) in enumerate(zip("cb", shares, strict=True))
    ]
    judged = judge(figures_of("classification", 2, {"accuracy": 0.0}), lines)
    confident, unlikely = choose_examples(judged)
    assert [one.number for one in confident.examples] == [1, 0]
    assert [one.number for one in unlikely.examples] == [0, 1]


def test_of_numbers_the_furthest_off(run_of):
    (listed,) = chosen(run_of(), "grade")
    assert [one.measure for one in listed.examples] == ["4.000 off", "0.500 off"]


def test_of_texts_the_least_like_a_right_one(run_of):
    (listed,) = chosen(run_of(), "why")
    (example,) = listed.examples
    assert (example.number, example.measure, example.others) == (1, "F1 0.000", 0)


def test_where_all_is_right_there_is_nothing_to_show(line_of, figures_of):
    lines = [line_of("t", 0, "a", "a")]
    for kind in ("classification", "generation"):
        assert choose_examples(judge(figures_of(kind, 1, {"exact_match": 1.0}), lines)) == []


def test_long_texts_are_cut():
    assert cut("abcd", 4) == "abcd" and cut("abcde", 4) == "abc…"
