"""A run folder opened: which checkpoint is read, and what becomes of one that is not there."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import ConfigurationError, WeightsError, load_average, load_run, task_tensors
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import build_model, restore_run, trainable_checkpoint

pytestmark = pytest.mark.slow

SETTINGS = {"bottleneck": {"reduction_factor": 8}}


@pytest.fixture(scope="module")
def run(make_run):
    return make_run("bottleneck", SETTINGS)


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def save_last(folder, step, value):
    """Writes a periodic checkpoint whose every number is the same."""
    model = build_model(read_config(folder))
    for variable in model.trainable_variables:
        variable.assign(tf.fill(variable.shape, value))
    checkpoint = trainable_checkpoint(model, step=tf.Variable(step, dtype=tf.int64))
    tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), 1).save(step)


def test_the_best_checkpoint_is_read(run):
    loaded = load_run(run)
    assert (loaded.step, loaded.directory) == (7, run)
    assert loaded.settings == read_config(run)
    assert loaded.model.task_names == ("rte", "cola")
    start = build_model(loaded.settings)
    moved = [
        np.abs(mine.numpy() - theirs.numpy()).max()
        for mine, theirs in zip(
            loaded.model.trainable_variables, start.trainable_variables, strict=True
        )
    ]
    assert min(moved) > 0.1


def test_the_last_one_is_read_where_it_is_asked_for_or_there_is_no_best(copy):
    save_last(copy, 9, 0.25)
    for checkpoint in ("last", "best"):
        loaded = load_run(copy, checkpoint)
        is_last = all(np.all(v.numpy() == 0.25) for v in loaded.model.trainable_variables)
        assert (loaded.step, is_last) == ((9, True) if checkpoint == "last" else (7, False))
    # As a run writes it in which every task keeps its own best step.
    (copy / "best.json").write_text('{"step": 7, "tasks": {"cola": {"step": 4}}}')
    loaded = restore_run(loaded)
    assert (loaded.step_of("cola"), loaded.step_of("rte")) == (4, 7)
    assert restore_run(loaded, "last").step_of("cola") == 9
    shutil.rmtree(copy / "best")
    assert load_run(copy).step == load_run(copy).step_of("cola") == 9


def test_none_is_the_model_before_training(run):
    loaded = load_run(run, "none")
    start = build_model(loaded.settings)
    assert loaded.step == 0
    for mine, theirs in zip(
        loaded.model.trainable_variables, start.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_another_checkpoint_is_read_into_the_same_model(copy):
    save_last(copy, 9, 0.25)
    best = load_run(copy)
    before = task_tensors(best.model, "rte")
    last = restore_run(best, "last")
    assert last.model is best.model and (best.step, last.step) == (7, 9)
    assert all(np.all(v.numpy() == 0.25) for v in best.model.trainable_variables)
    again = task_tensors(restore_run(last, "best").model, "rte")
    assert all(np.array_equal(before[path], again[path]) for path in before)


def test_settings_that_were_read_already_are_not_read_again(copy):
    settings = read_config(copy)
    (copy / "config.yaml").unlink()
    assert load_run(copy, settings=settings).settings is settings


def test_a_checkpoint_holds_what_trains_alone(run, tmp_path):
    model = build_model(read_config(run))
    path = trainable_checkpoint(model).save(str(tmp_path / "x"))
    shapes = {name: shape for name, shape in tf.train.list_variables(path) if "trainable/" in name}
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == model.count_trainable()
    assert all(".adapter.." in name.replace("post_norm..", "") for name in shapes)


def test_the_mean_of_adapters_has_no_bank_and_their_step(copy, sentences):
    shutil.copytree(copy / "adapters" / "rte", copy / "adapters" / "cola")
    loaded = load_average(copy, ("rte", "cola"))
    assert loaded.step == 7  # of the checkpoint, whose file has another number
    assert loaded.model.banks == {}
    alone = load_average(copy, ("rte",)).model(sentences).numpy()
    # The mean of an adapter and its copy is that adapter, whatever the weights.
    np.testing.assert_allclose(loaded.model(sentences), alone, atol=1e-4)
    weighted = load_average(copy, ("rte", "cola"), (3.0, 1.0)).model(sentences)
    np.testing.assert_allclose(weighted, alone, atol=1e-4)
    rte = load_run(copy).model({**sentences, "task": tf.zeros_like(sentences["task"])})
    np.testing.assert_allclose(alone, rte, atol=1e-4)
    shutil.rmtree(copy / "best")
    save_last(copy, 9, 0.25)
    assert load_average(copy, ("rte",)).step == 9


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"checkpoint": "lst"}, ConfigurationError, "did you mean 'last'"),
        ({"checkpoint": "last"}, WeightsError, "holds no checkpoint; train the run first"),
        ({"tasks": ["rte", "coal"]}, ConfigurationError, "has no task 'coal'; did you mean 'cola'"),
    ],
)
def test_what_is_not_there_is_one_line(run, keywords, error, message):
    with pytest.raises(error, match=message):
        load_run(run, **keywords)


def test_a_folder_that_is_no_run(tmp_path):
    for load in (load_run, lambda folder: load_average(folder, ("rte",))):
        with pytest.raises(WeightsError, match="is no run folder"):
            load(tmp_path)


def test_variables_live_under_the_strategy(run, four_replicas):
    model = load_run(run, strategy=four_replicas).model
    kinds = {type(variable).__name__ for variable in model.trainable_variables}
    assert kinds == {"MirroredVariable"}


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_checkpoint_is_one_line(make_run, capsys):
    run = make_run("lora", {})
    loaded = load_run(run)
    step = tf.Variable(9, dtype=tf.int64)
    trainable_checkpoint(loaded.model, step=step).write(str(run / "best" / "checkpoint-9"))
    flip(run / "best" / "checkpoint-9.data-00000-of-00001")
    assert load_run(run).step == 7
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "checkpoint-9 is damaged and not taken" in said[0]
    flip(run / "best" / "checkpoint-1.data-00000-of-00001")
    with pytest.raises(WeightsError, match=r"-9 is damaged .* holds no other; --checkpoint last"):
        load_run(run)
