"""A task whose every step was skipped is told at the end."""

from trainer.run.untaken_steps import warn_of_untaken


def test_tasks_of_which_no_step_was_taken_are_named():
    lines = [
        {"step": 2, "a/loss": 1.0, "b/skipped_steps": 1},
        {"step": 4, "a/skipped_steps": 1, "b/skipped_steps": 2, "b/loss": None},
    ]
    (line,) = warn_of_untaken(lines, ["a", "b", "c"])
    assert line.startswith("note: b: every step of it was skipped")
