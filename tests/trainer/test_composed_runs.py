"""Runs on top of an earlier run's adapters: fusion, a stack, an average; the earlier run may go."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from adapters_tf import WeightsError, load_average, load_run, load_task, save_task
from adapters_tf.__main__ import main as adapters_command
from eval.__main__ import main as evaluate
from prep import run_command
from tests.trainer.checkpoint_values import weights_of
from trainer.__main__ import main
from trainer.steps.step import train_step

pytestmark = pytest.mark.slow

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
TASKS = ("synthetic_entailment", "synthetic_similarity")
SETTINGS = [
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--data.batch_size=8",
    "--data.input_length=24",
    "--optimizer.learning_rate=1e-2",
    "--training.steps=8",
    "--training.validation_examples=8",
    "--training.checkpoint_every=4",
]
BOTTLENECK = "--adapters.settings={bottleneck: {reduction_factor: 8}}"


def train(dataset, run, *extra):
    return run_command(main, [f"--dataset={dataset}", f"--run={run}", *SETTINGS, *extra])


def fuse(dataset, run, source):
    settings = f"--adapters.settings={{fusion: {{of: {source}}}}}"
    method = ("--adapters.method=fusion", "--adapters.train_layer_norms=false")
    return train(dataset, run, *method, settings)


@pytest.fixture(scope="module")
def earlier(small_dataset, tmp_path_factory):
    """A run that trained adapters for two tasks, and T5's layer norms."""
    run = tmp_path_factory.mktemp("earlier") / "run"
    assert train(small_dataset, run, BOTTLENECK, f"--tasks={','.join(TASKS)}") == 0
    return run


@pytest.fixture(scope="module")
def fused(earlier, small_dataset, tmp_path_factory):
    """A fusion for three tasks of the two adapters, whose own run is gone."""
    folder = tmp_path_factory.mktemp("fused")
    shutil.copytree(earlier, folder / "source")
    assert fuse(small_dataset, folder / "run", folder / "source") == 0
    shutil.rmtree(folder / "source")
    return folder / "run"


def test_a_fusion_keeps_what_it_fuses(fused, earlier, small_dataset):
    assert sorted(path.name for path in (fused / "frozen" / "fusion").iterdir()) == sorted(TASKS)
    assert not any("frozen" in name for name in weights_of(fused))
    model = load_run(fused, "last").model
    bank = model.banks["encoder.block.0.layer.0.SelfAttention"]
    source = load_run(earlier).model
    own = source.banks["encoder.block.0.layer.0.SelfAttention"]
    np.testing.assert_array_equal(bank.adapters.tensors["down_kernel"], own.down_kernel)
    norms = [m.backbone.decoder.final_layer_norm.weight for m in (model, source)]
    np.testing.assert_array_equal(*norms)
    assert np.any(norms[0].numpy() != 1.0)
    load_task(model, "synthetic_choice", fused / "adapters" / "synthetic_choice")
    assert evaluate(["--run", str(fused), "--tasks", "synthetic_choice"]) == 0
    assert (
        "synthetic_choice" in json.loads((fused / "eval" / "validation.json").read_text())["tasks"]
    )


def test_a_fusion_whose_bank_was_edited_keeps_what_it_fuses(fused, tmp_path, uneven_batch):
    out = tmp_path / "two"
    options = ["bank", "--run", str(fused), "--drop", TASKS[0], "--rename", f"{TASKS[1]}=renamed"]
    assert adapters_command([*options, "--out", str(out)]) == 0
    before, after = (load_run(run).model for run in (fused, out))
    rows = [
        model.task_names.index(task)
        for model, task in zip((before, after), (TASKS[1], "renamed"), strict=True)
    ]
    answers = [
        model(uneven_batch(task=row)).numpy()
        for model, row in zip((before, after), rows, strict=True)
    ]
    np.testing.assert_array_equal(*answers)


def test_a_task_may_start_from_a_fusion_of_the_same_adapters(
    fused, small_dataset, tmp_path, capsys
):
    run, source = tmp_path / "run", fused / "frozen" / "fusion"
    fusion = ("--adapters.method=fusion", f"--adapters.settings={{fusion: {{of: {source}}}}}")
    start = f"--adapters.start_from={{{TASKS[0]}: {fused}/adapters/synthetic_choice}}"
    options = (*fusion, f"--tasks={TASKS[0]}", "--adapters.train_layer_norms=false")
    assert train(small_dataset, run, *options, start) == 0
    assert f"{TASKS[0]} starts from" in capsys.readouterr().out


def test_where_there_is_no_loss_a_step_draws_the_value_matrices_to_the_identity(
    fused, make_optimizer, uneven_batch
):
    model = load_run(fused, "last").model
    before = {path: variable.numpy() for path, variable in model.trainable_by_path().items()}
    batch = {**uneven_batch(task=1), "decoder_loss_weights": np.zeros((8, 6), np.float32)}
    train_step(model, make_optimizer(model, rate=1e-4), batch)
    identity = np.eye(SMALL["d_model"])
    for path, variable in model.trainable_by_path().items():
        if "value_kernel" in path:
            distances = [np.sum((v[1] - identity) ** 2) for v in (before[path], variable.numpy())]
            assert distances[1] < distances[0], path
        else:
            np.testing.assert_array_equal(variable, before[path], err_msg=path)


def test_a_fusion_resumes_to_the_same_bits_without_its_source(
    fused, small_dataset, tmp_path, capsys, go_back
):
    source = yaml.safe_load((fused / "config.yaml").read_text())["adapters"]["settings"]["fusion"]
    assert not Path(source["of"]).exists()
    run = tmp_path / "run"
    shutil.copytree(fused, run)
    go_back(run, 4)
    assert fuse(small_dataset, run, source["of"]) == 0
    assert "going on from step 4" in capsys.readouterr().out
    whole, resumed = weights_of(fused), weights_of(run)
    assert whole.keys() == resumed.keys() and any("fusion" in name for name in whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_a_fusion_whose_adapters_are_lost_or_changed_says_so(fused, earlier, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(fused, run)
    model = load_run(earlier).model
    for variable in model.trainable_variables:
        variable.assign_add(tf.ones_like(variable))
    save_task(model, TASKS[0], run / "frozen" / "fusion" / TASKS[0])
    save_task(model, TASKS[1], run / "frozen" / "fusion" / TASKS[1])
    changed = load_run(run, "last").model
    with pytest.raises(WeightsError, match="on other frozen adapters"):
        load_task(changed, TASKS[0], run / "adapters" / TASKS[0])
    shutil.rmtree(run / "frozen")
    with pytest.raises(WeightsError, match="holds no trained adapters"):
        load_run(run)


def test_a_stack_trains_on_a_frozen_adapter_and_keeps_it(earlier, small_dataset, tmp_path, capsys):
    source, run = tmp_path / "source", tmp_path / "run"
    shutil.copytree(earlier, source)
    stack = f"--adapters.stack_on={{of: {source}, task: {TASKS[1]}}}"
    options = (BOTTLENECK, "--tasks=synthetic_choice", stack)
    assert train(small_dataset, run, *options, "--adapters.train_layer_norms=false") == 0
    shutil.rmtree(source)
    assert [path.name for path in (run / "frozen" / "stack_on").iterdir()] == [TASKS[1]]
    layer = load_run(run).model.backbone.encoder.block[0].layer[1].DenseReluDense
    below = load_run(earlier).model.banks["encoder.block.0.layer.1.DenseReluDense"]
    frozen = layer.base.adapter.adapters.tensors["down_kernel"]
    np.testing.assert_array_equal(frozen[0], below.down_kernel[1])
    assert evaluate(["--run", str(run)]) == 0
    capsys.readouterr()
    wrong = f"--adapters.stack_on={{of: {earlier}, tsak: {TASKS[1]}}}"
    assert train(small_dataset, tmp_path / "other", BOTTLENECK, wrong) == 2
    assert "did you mean 'task'" in capsys.readouterr().err
    assert train(small_dataset, tmp_path / "other", stack, "--adapters.method=none") == 2
    assert "needs adapters to put on top" in capsys.readouterr().err


def test_an_average_scores_every_task(earlier, small_dataset, capsys):
    model = load_run(earlier).model
    average = load_average(earlier, (TASKS[1],)).model
    batch = {
        "encoder_input_tokens": tf.constant([[5, 6, 7, 8], [9, 8, 0, 0]]),
        "decoder_input_tokens": tf.constant([[0, 4], [0, 9]]),
    }
    expected = model({**batch, "task": tf.constant([1, 1])}).numpy()
    answer = average({**batch, "task": tf.constant([0, 0])}).numpy()
    np.testing.assert_allclose(answer, expected, atol=2e-6 * np.abs(expected).max())

    options = ["--run", str(earlier), "--average", ",".join(TASKS), "--weights", "2,1"]
    assert run_command(evaluate, options) == 0
    file = earlier / "eval" / "-".join(("average", *TASKS)) / "validation.json"
    report = json.loads(file.read_text())
    assert report["average"] == list(TASKS) and report["weights"] == [2.0, 1.0]
    assert set(report["tasks"]) == set(TASKS) and report["step"] == 8
    capsys.readouterr()
    for wrong, message in (
        (["--average", "synthetic_entailmant"], "did you mean 'synthetic_entailment'"),
        (["--weights", "1,2"], "--weights goes with --average"),
        (["--average", TASKS[0], "--checkpoint", "last"], "takes the exported, best adapters"),
    ):
        assert run_command(evaluate, ["--run", str(earlier), *wrong]) == 2
        assert message in capsys.readouterr().err


def test_a_fusion_of_nothing_is_refused_before_anything_is_written(
    small_dataset, earlier, tmp_path, capsys
):
    run = tmp_path / "run"
    for source, code, message in (
        ("''", 2, "`of` is missing"),
        (tmp_path / "nowhere", 1, "holds no trained adapters"),
    ):
        assert fuse(small_dataset, run, source) == code
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
        assert not run.exists()
