"""Learning curves, read from the log of training."""

import re

import pytest

from eval.report.page.curves import draw_curves, read_curve, thin, unit_of_loss


def test_a_step_that_was_logged_twice_has_the_later_value():
    log = [
        {"kind": "validation", "step": 20, "a/loss": 2.0},
        {"kind": "validation", "step": 10, "a/loss": 3.0},
        {"kind": "validation", "step": 20, "a/loss": 1.0},
        {"kind": "validation", "step": 30, "a/loss": "nan"},
        {"kind": "train", "step": 40, "a/loss": 0.5},
    ]
    assert read_curve(log, "validation", "a/loss") == [(10, 3.0), (20, 1.0)]


def test_points_are_left_out_but_never_the_last():
    points = [(step, float(step)) for step in range(1000)]
    kept = thin(points, 300)
    assert kept[:2] == [(0, 0.0), (4, 4.0)] and kept[-1] == (999, 999.0) and len(kept) <= 301
    assert thin(points[:300], 300) == points[:300]


def test_one_run_has_figure_and_losses(run_of):
    figure, losses = draw_curves("colour", "accuracy", [run_of().log])
    assert figure.title == "accuracy during training" and figure.keys == ()
    assert figure.rows == (("10", "0.2500"), ("20", "0.5000"))
    assert [meaning for _, meaning in losses.keys] == ["validation", "training"]
    assert losses.svg.count('class="line') == 2


def test_two_runs_share_a_picture(run_of):
    logs = [run_of().log, run_of().log[:2]]
    figure, _ = draw_curves("colour", "accuracy", logs)
    assert figure.heading == ("step", "A", "B")
    assert figure.rows == (("10", "0.2500", "0.2500"), ("20", "0.5000", "–"))


def test_a_point_alone_is_a_sentence(run_of):
    log = run_of().log[:2]
    figure, losses = draw_curves("colour", "accuracy", [log])
    assert figure.is_sentence and figure.caption == "accuracy, logged once: 0.2500 at step 10."
    assert losses.caption == (
        "nats per token, logged once: validation 1.5000 at step 10; training 2.0000 at step 10."
    )
    figure, _ = draw_curves("colour", "accuracy", [log, log])
    assert figure.caption == "accuracy, logged once: A 0.2500 at step 10; B 0.2500 at step 10."
    figure, _ = draw_curves("colour", "accuracy", [log, run_of().log])
    assert not figure.is_sentence


def test_the_axis_of_a_loss_does_not_go_below_zero():
    log = [
        {"kind": "train", "step": step, "a/loss": loss} for step, loss in ((10, 0.004), (20, 0.0))
    ]
    (picture,) = draw_curves("a", "f1", [log])
    assert ">0.02<" in picture.svg or ">0.01<" in picture.svg
    assert "−" not in picture.svg


def test_a_flat_curve_is_a_sentence():
    log = [{"kind": "validation", "step": step, "a/f1": 1.0} for step in (20, 1000, 10)]
    (picture,) = draw_curves("a", "f1", [log])
    assert picture.is_sentence
    assert picture.caption == "f1 1.0000 in each of 3 validations, step 10 to 1,000."
    assert not draw_curves("a", "f1", [log, log])[0].is_sentence


@pytest.mark.parametrize(
    ("metric", "values", "highest"),
    [
        ("accuracy", (0.995, 1.0), "1"),
        ("accuracy", (0.9, 0.991), "1"),
        ("pearson", (-0.3, 0.2), "1"),
        ("my_own", (0.5, 1.5), "1.4"),  # a metric that the house does not know
    ],
)
def test_the_axis_of_a_score_ends_at_one(metric, values, highest):
    log = [
        {"kind": "validation", "step": step, f"a/{metric}": value}
        for step, value in enumerate(values)
    ]
    (picture,) = draw_curves("a", metric, [log])
    ticks = re.findall(r'y="([\d.]+)" class="end">(.*?)</text>', picture.svg)
    height, text = min((float(y), text) for y, text in ticks)
    assert text == highest
    # 8 pixels are above the plot, and a text stands 3.5 lower than its line.
    assert (height == 11.5) == (highest == "1")


def test_without_a_log_there_is_no_picture():
    assert draw_curves("colour", "accuracy", [[]]) == []


def test_losses_have_the_unit_of_what_answers():
    assert unit_of_loss([("labels", "classification"), ("decoded", "regression")]) == (
        "nats per token"
    )
    assert unit_of_loss([("head", "classification")]) == "nats per example"
    assert unit_of_loss([("head", "regression")]) == "squared error"
    assert unit_of_loss([("head", "regression"), ("decoded", "regression")]) == "loss"
