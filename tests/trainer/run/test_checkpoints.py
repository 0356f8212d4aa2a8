"""Checkpoints of what trains: written, found again, and the best one kept."""

import json

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runs.checkpoints import list_checkpoints
from prep import DataError
from trainer.run.checkpoints import RunCheckpoints

pytestmark = pytest.mark.slow


@pytest.fixture
def run(make_model, make_optimizer, tmp_path):
    """Makes the checkpoints of a run: a model and an optimizer of their own each time."""

    def make(keep=2, folder=tmp_path, report=print, **keywords):
        model = make_model(**keywords)
        return model, RunCheckpoints(folder, model, make_optimizer(model), keep, report)

    return make


def fill(model, value):
    for variable in model.trainable_variables:
        variable.assign(tf.fill(variable.shape, value))


def values(model):
    return {value for variable in model.trainable_variables for value in np.unique(variable)}


def test_a_new_run_has_none(run):
    model, checkpoints = run()
    before = [variable.numpy() for variable in model.trainable_variables]
    assert checkpoints.restore() == 0 and checkpoints.best_value() is None
    assert checkpoints.restore_best() == 0  # the weights stay as they are
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_the_newest_is_found_with_its_step_and_slots(run, tmp_path):
    model, checkpoints = run()
    for step in (5, 10, 15):
        fill(model, step / 10)
        checkpoints.save(step)
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.index"))
    assert names == ["ckpt-10.index", "ckpt-15.index"]  # the last two
    other, again = run()
    assert again.restore() == 15 and values(other) == {1.5}
    assert any(
        "optimizer" in name for name, _ in tf.train.list_variables(again.last.latest_checkpoint)
    )


def test_what_a_kill_left_of_a_write_is_taken_away(run, tmp_path):
    run()[1].save(5)
    (tmp_path / "checkpoints" / "ckpt-6_temp").mkdir()
    (tmp_path / "checkpoints" / "ckpt-6_temp" / "part-0").write_bytes(b"half")
    assert run()[1].restore() == 5
    assert not list((tmp_path / "checkpoints").glob("*_temp"))


def test_a_step_that_is_saved_is_not_saved_again(run):
    model, checkpoints = run()
    checkpoints.save(5)
    fill(model, 9.0)
    checkpoints.save(5)
    other, again = run()
    assert again.restore() == 5 and values(other) != {9.0}


@pytest.mark.parametrize(
    ("metric", "figures", "best"),
    [
        ("mean", (0.5, 0.75, 0.75, 0.25), (2, 0.75)),  # the earlier of two that are equal
        ("loss", (0.5, 0.25, 0.75), (2, 0.25)),
        ("rte/loss", (0.5, 0.75), (1, 0.5)),
        ("matthews", (-0.5, -0.75), (1, -0.5)),
        ("mean", (np.nan, 0.5, np.nan, np.inf, 0.25), (2, 0.5)),  # no number is never best
        ("loss", (np.nan, 0.5, -np.inf), (2, 0.5)),
    ],
)
def test_the_best_is_kept_and_losses_are_better_when_smaller(run, tmp_path, metric, figures, best):
    model, checkpoints = run()
    kept = []
    for step, figure in enumerate(figures, start=1):
        fill(model, float(step))
        if checkpoints.save_if_best(step, metric, figure):
            kept.append(step)
    assert kept[-1] == best[0]
    record = json.loads((tmp_path / "best.json").read_text())
    assert record == {"step": best[0], "metric": metric, "value": best[1]}
    assert checkpoints.restore_best() == best[0] and values(model) == {float(best[0])}
    _, again = run()
    assert again.best_value() == best[1]


def test_among_equal_values_the_smallest_loss_is_best(run, tmp_path):
    _, checkpoints = run()
    figures = [(0.0, 7.0), (0.0, 6.5), (0.0, np.nan), (0.0, 6.5), (0.0, 6.75), (-1.0, 1.0)]
    kept = [
        step
        for step, (value, loss) in enumerate(figures, start=1)
        if checkpoints.save_if_best(step, "mean", value, loss)
    ]
    assert kept == [1, 2]
    record = {"step": 2, "metric": "mean", "value": 0.0, "loss": 6.5}
    assert json.loads((tmp_path / "best.json").read_text()) == record
    _, again = run()
    assert not again.save_if_best(7, "mean", 0.0, 6.5) and again.save_if_best(8, "mean", 0.0, 6.0)
    # A file of an earlier version names no loss: the first of equal ones stays the best.
    for loss in ("", ', "loss": NaN'):
        (tmp_path / "best.json").write_text(f'{{"step": 8, "metric": "mean", "value": 0.0{loss}}}')
        assert not again.save_if_best(9, "mean", 0.0, 1.0)


def test_of_another_model_it_is_an_error(run):
    _, checkpoints = run()
    checkpoints.save(5)
    _, other = run(adapters=False)
    with pytest.raises(DataError, match=r"checkpoint .*ckpt-5 does not fit the model: "):
        other.restore()


def test_what_the_disk_refuses_is_one_line_and_leaves_no_half(run, tmp_path, monkeypatch):
    _, checkpoints = run()
    checkpoints.save(5)
    folder = tmp_path / "checkpoints"

    def save(checkpoint_number):
        (folder / "ckpt-6_temp").mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, "part-0; No space left on device")

    monkeypatch.setattr(checkpoints.last, "save", save)
    with pytest.raises(DataError, match=r"^disk full: the checkpoint of step 6 could .*whole"):
        checkpoints.save(6)
    assert not list(folder.glob("*_temp"))
    _, again = run()
    assert again.restore() == 5


def test_a_best_that_is_no_number_is_beaten_by_any(run, tmp_path):
    """An earlier version let NaN be best, and after it every later value."""
    _, checkpoints = run()
    checkpoints.save_if_best(5, "mean", 0.5)
    (tmp_path / "best.json").write_text('{"step": 5, "metric": "mean", "value": NaN}')
    assert checkpoints.best_value() is None
    assert checkpoints.save_if_best(10, "mean", -1.0)
    assert checkpoints.best_value() == -1.0
    assert not checkpoints.save_if_best(15, "mean", float("nan"))


def spoil_nothing(folder):
    pass


def drop_index(folder):
    (folder / "checkpoint").unlink()


def cut_index(folder):
    text = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text(text[: len(text) // 2])


def zero_index(folder):
    (folder / "checkpoint").write_bytes(b"\0" * 200)


@pytest.mark.parametrize("spoil", [spoil_nothing, drop_index, cut_index, zero_index])
def test_checkpoints_are_found_whatever_the_index_says(run, tmp_path, spoil):
    model, checkpoints = run()
    for step in (5, 10):
        fill(model, step / 10)
        checkpoints.save(step)
    spoil(tmp_path / "checkpoints")
    other, again = run()
    assert again.restore() == 10 and values(other) == {1.0}
    again.save(15)  # and old ones are still counted
    assert [step for step, _ in list_checkpoints(tmp_path / "checkpoints")] == [15, 10]


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("suffix", "spoil"),
    [
        ("data-00000-of-00001", flip),
        ("data-00000-of-00001", cut),
        ("data-00000-of-00001", lambda file: file.unlink()),
        ("index", flip),
        ("index", lambda file: file.write_bytes(b"\0" * 300)),
    ],
)
def test_the_newest_that_is_whole_is_taken_and_that_is_said(run, tmp_path, suffix, spoil):
    model, checkpoints = run()
    for step in (5, 10):
        fill(model, step / 10)
        checkpoints.save(step)
    spoil(tmp_path / "checkpoints" / f"ckpt-10.{suffix}")
    said = []
    other, again = run(report=said.append)
    assert again.restore() == 5 and values(other) == {0.5}
    assert len(said) == 1 and "ckpt-10 is damaged and not taken: " in said[0]
    assert "\n" not in said[0]


def test_where_none_is_whole_nothing_is_begun_again(run, tmp_path):
    _, checkpoints = run()
    checkpoints.save_if_best(5, "mean", 0.5)
    _, again = run()
    with pytest.raises(DataError, match=r"no checkpoint to go on from, and .* has a best one"):
        again.restore()
    checkpoints.save(5)
    flip(tmp_path / "checkpoints" / "ckpt-5.data-00000-of-00001")
    _, again = run()
    with pytest.raises(DataError, match=r"none of the 1 checkpoints in .*checkpoints is whole"):
        again.restore()


def test_a_best_that_is_damaged_is_none(run, tmp_path):
    _, checkpoints = run()
    checkpoints.save_if_best(5, "mean", 0.5)
    checkpoints.save(10)
    flip(tmp_path / "best" / "ckpt-5.data-00000-of-00001")
    said = []
    _, again = run(report=said.append)
    assert again.restore() == 10 and again.restore_best() == 10 and again.best_value() is None
    assert len(said) == 1 and "best/ckpt-5 is damaged" in said[0] and again.has_lost_best()
    assert again.save_if_best(15, "mean", 0.25)
    (tmp_path / "best.json").write_text("{")
    assert again.best_value() is None and "best.json is damaged" in said[-1]


def test_a_best_checkpoint_that_somebody_took_away_is_told(run, tmp_path):
    model, checkpoints = run()
    fill(model, 1.0)
    assert checkpoints.save_if_best(1, "loss", 0.5)
    for file in (tmp_path / "best").glob("ckpt-*"):
        file.unlink()
    with pytest.raises(DataError, match=r"checkpoint .*/best/ckpt-.* cannot be read: "):
        checkpoints.restore_best()
