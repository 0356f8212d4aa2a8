"""The sentences that a report opens with."""

from dataclasses import replace

from eval.report.page.report_data import Score, gather_report
from eval.report.page.verdict import give_verdict, tell_few, write_difference, write_score


def test_of_one_run_what_is_better_than_the_trivial_answer(run_of):
    report = gather_report([run_of()], ["first"])
    enough = replace(report, tasks=[replace(task, examples=10) for task in report.tasks])
    assert give_verdict(enough) == [
        "The mean of the main figures of 3 tasks is 0.000.",
        "Clearly better than the trivial answer: colour.",
        "Without a trivial answer or an interval to compare with: why, grade.",
    ]
    # Of a few examples nothing is clear.
    assert give_verdict(report) == [
        "The mean of the main figures of 3 tasks is 0.000.",
        "Too few examples to judge by: colour (4), why (2), grade (2).",
    ]


def test_a_run_that_was_trained_on_since_comes_first(run_of):
    change = "its figures are of step 20, and its best checkpoint is of step 30 now"
    run = replace(run_of(), change=change)
    said = give_verdict(gather_report([run], ["first"]))
    again = "python -m eval --run first --split validation scores it anew."
    assert said[0] == f"Not of first as it is now: {change}; {again}"
    assert said[1].startswith("The mean of")


def test_of_two_runs_which_is_ahead_where(run_of):
    report = gather_report([run_of(), run_of("second", flipped=True)], ["first", "second"])
    said = give_verdict(report)
    assert said[0] == "On the mean, first is ahead by 0.083: 0.000 and −0.083."
    assert said[1:3] == ["first is ahead on colour.", "Equal on why, grade."]
    assert "python -m eval compare" in said[3]
    for low, words in ((0.3, ", which lies within both intervals"), (0.48, "")):
        scores = (Score(0.5, low, 0.7, None), Score(0.45, 0.25, 0.65, None))
        mean = replace(report.mean, scores=scores)
        (first, *_) = give_verdict(replace(report, mean=mean))
        assert first.startswith(f"On the mean, first is ahead by 0.050{words}: 0.500 (")


def test_a_task_alone_is_named(run_of):
    report = gather_report([run_of()], ["first"], ["colour"])
    assert give_verdict(report)[0] == "colour: accuracy 0.500 (0.300 to 0.700)."


def test_figures_are_written_with_what_is_known():
    assert write_score(Score(0.5, 0.25, 0.75, None), 2) == "0.50 (0.25 to 0.75)"
    assert write_score(Score(-0.5, None, None, None)) == "−0.500"
    assert [write_difference(value) for value in (0.25, -0.25)] == ["+0.250", "−0.250"]


def test_few_examples_are_told():
    assert tell_few({"a": 9, "b": 10, "c": 1}) == "Too few examples to judge by: a (9), c (1)"
    assert tell_few({"b": 10}) == ""
