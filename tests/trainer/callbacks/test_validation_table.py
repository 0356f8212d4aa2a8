"""A validation's table: what is now, what was best, and when."""

from trainer.callbacks.validation_table import validation_table

NAN = float("nan")
FIGURES = {
    "rte/loss": 0.5,
    "rte/accuracy": 0.75,
    "a_task_of_a_very_long_name_indeed/loss": 1.25,
    "loss": 0.875,
    "mean": 0.75,
}


def test_it_says_what_was_best_and_when():
    earlier = [
        {"kind": "validation", "step": 100, "rte/loss": 0.25, "rte/accuracy": 0.75},
        {"kind": "validation", "step": 200, "rte/loss": None, "rte/accuracy": 0.5},
    ]
    assert validation_table(FIGURES, earlier, 1300, 80) == [
        "                                                 now   best  at step",
        "  rte                                loss      0.500  0.250      100",
        "                                     accuracy  0.750  0.750      100",
        "  a_task_of_a_very_long_name_indeed  loss      1.250  1.250    1,300",
    ]


def test_it_is_as_wide_as_it_may_be_and_cuts_names():
    lines = validation_table(FIGURES, [], 1, 60)
    assert max(map(len, lines)) <= 60 and any("a_task_of_a_" in line for line in lines)
    assert "…" in lines[3]
    # Figures stay whole however narrow the terminal is.
    assert all("now" in line or "." in line for line in validation_table(FIGURES, [], 1, 10))


def test_what_is_no_number_is_not_best():
    lines = validation_table({"rte/loss": NAN}, [], 1, 80)
    assert lines[1].split() == ["rte", "loss", "nan", "nan"]
    lines = validation_table({"rte/loss": NAN}, [{"step": 5, "rte/loss": 2.0}], 6, 80)
    assert lines[1].split() == ["rte", "loss", "nan", "2.000", "5"]


def test_of_an_error_the_least_is_best():
    lines = validation_table({"stsb/rmse": 2.0}, [{"step": 5, "stsb/rmse": 1.5}], 6, 80)
    assert lines[1].split() == ["stsb", "rmse", "2.000", "1.500", "5"]


def test_of_equal_ones_the_least_loss_is_best_as_for_a_tasks_own_row():
    earlier = [
        {"step": 5, "rte/loss": 0.9, "rte/accuracy": 0.75},
        {"step": 6, "rte/loss": 0.7, "rte/accuracy": 0.75},
        {"step": 7, "rte/loss": 0.7, "rte/accuracy": 0.75},
    ]
    lines = validation_table({"rte/loss": 0.8, "rte/accuracy": 0.75}, earlier, 8, 80)
    assert lines[2].split() == ["accuracy", "0.750", "0.750", "6"]
