"""What a report says, gathered from the files of a run or two."""

import pytest

from eval.report.page.report_data import gather_report


def test_one_run(run_of):
    report = gather_report([run_of()], ["first"])
    colour, why, grade = report.tasks
    score = colour.main.scores[0]
    assert (score.value, score.low, score.high, score.baseline) == (0.5, 0.3, 0.7, 0.25)
    assert score.is_above_baseline and why.main.scores[0].is_above_baseline is None
    assert colour.alone is None and colour.main.difference is None
    assert [row.is_error for row in grade.rows] == [False, True]
    assert [picture.title for picture in grade.runs[0].pictures] == [
        "Given against right numbers",
        "Length of the input and absolute error",
    ]
    assert colour.runs[0].pictures[0].title == "Calibration"
    (mean,) = report.mean.scores  # of 0.5, 0.5 and −1; the trivial answers have 0.25, 0 and 0
    assert (mean.value, mean.low) == (pytest.approx(0.0), None)
    assert mean.baseline == pytest.approx(0.25 / 3)


def test_the_mean_has_what_the_figures_know(run_of):
    run = run_of()
    run.document["intervals"] = {"mean": {"low": -0.2, "high": 0.3}}
    run.document["tasks"]["why"]["trivial_baseline"] = None
    (mean,) = gather_report([run], ["first"]).mean.scores
    assert (mean.low, mean.high, mean.baseline) == (-0.2, 0.3, None)
    # Of some of the tasks the interval is not the one of all.
    assert gather_report([run], ["first"], ["colour", "why"]).mean.scores[0].low is None


def test_a_task_of_one_label_has_sentences(run_of):
    run = run_of()
    run.predictions["colour"] = [
        {**line, "target": "yes", "input": "as long"} for line in run.predictions["colour"]
    ]
    (done,) = gather_report([run], ["first"], ["colour"]).tasks[0].runs
    assert done.matrices == ()
    said = [picture.title for picture in done.pictures if picture.is_sentence]
    assert said == ["Confusions", "Length of the input and share right"]


def test_two_runs(run_of):
    report = gather_report([run_of(), run_of("second", flipped=True)], ["first", "second"])
    colour = report.tasks[0]
    assert colour.main.difference == -0.25 and colour.alone == (1, 0)
    assert colour.p_value == 1.0  # one pair alone tells nothing
    assert report.tasks[1].p_value is None


def test_a_reader_is_told_what_the_figures_do_not_say(run_of):
    run = run_of()
    told = run.document["tasks"]["grade"]
    told.update(unreadable_predictions=3, unjudged={"pearson": "why"}, truncated_targets=2)
    told.update(unvaried={"pearson": 0.5})
    notes = gather_report([run], ["first"]).tasks[2].runs[0].notes
    assert notes[:4] == (
        "pearson cannot judge: why",
        "no resample changes pearson: its interval tells nothing; of other examples up to 50.0% may"
        " be answered otherwise",
        "3 answers could not be read; each counts as −1",
        "2 right answers are compared as they were cut",
    )
    assert "no further off than 2, the standard deviation" in notes[4]


def test_the_title_begins_with_the_dataset(run_of):
    first, second = run_of(), run_of("second")
    assert gather_report([first], ["first"]).title == "first, validation"
    first.document["dataset"] = second.document["dataset"] = "gs://bucket/glue/"
    assert gather_report([first], ["first"]).title == "glue: first, validation"
    both = [first, second]
    assert gather_report(both, ["first", "second"]).title == "glue: first and second, validation"
    second.document["dataset"] = "data/other"
    assert gather_report(both, ["a", "b"]).title == "glue and other: a and b, validation"
