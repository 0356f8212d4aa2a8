"""A run from config to exported adapters, interrupted and resumed, and the ways it is refused."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from safetensors.numpy import load_file

from adapters_tf import load_run, task_tensors
from eval.__main__ import main as evaluate
from prep import load_manifest, run_command
from tests.trainer.checkpoint_values import weights_of
from trainer.__main__ import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "dropout_rate": 0.1,
}
SETTINGS = [
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--adapters.settings={bottleneck: {reduction_factor: 8}}",
    "--data.batch_size=8",
    "--data.input_length=24",
    "--optimizer.learning_rate=1e-2",
    "--training.steps=30",
    "--training.log_every=10",
    "--training.validate_every=15",
    "--training.validation_examples=20",
    "--training.checkpoint_every=5",
]


def arguments(dataset, run, *extra):
    return [f"--dataset={dataset}", f"--run={run}", *SETTINGS, *extra]


def spawn(dataset, run, *extra):
    """The trainer in a process of its own, to be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", *arguments(dataset, run, *extra)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


# A trainer that is killed when a checkpoint is whole, however fast it is and whoever waits.
KILLED = """
import os, signal, sys
from trainer.__main__ import main
import tensorflow as tf

save, step = tf.train.CheckpointManager.save, int(sys.argv[1])

def save_or_die(self, checkpoint_number):
    path = save(self, checkpoint_number=checkpoint_number)
    if checkpoint_number == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return path

tf.train.CheckpointManager.save = save_or_die
main(sys.argv[2:])
"""


def kill_after(step, argv):
    """What the trainer said, in a process of its own, until it was killed at a checkpoint."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *argv], cwd=ROOT, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return killed.stdout


def finish(dataset, run, *extra):
    """What the trainer says, in this process, which has traced a step like it before."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run_command(main, arguments(dataset, run, *extra)) == 0
    return said.getvalue()


def wait_for_checkpoint(run, process, step):
    deadline = time.monotonic() + 300
    while not (Path(run) / "checkpoints" / f"ckpt-{step}.index").exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole_run(small_dataset, tmp_path_factory):
    """A run that was never interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, finish(small_dataset, run, "--training.norms", "true")


def test_a_run_leaves_what_the_contract_says(whole_run, small_dataset):
    run, output = whole_run
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["tasks"] == list(load_manifest(small_dataset).tasks)
    assert config["versions"]["tensorflow"] == tf.__version__
    assert config["commit"]
    for task in config["tasks"]:
        tensors = load_file(str(run / "adapters" / task / "adapter_model.safetensors"))
        assert tensors["encoder.block.0.layer.0.SelfAttention.adapter.down_kernel"].shape == (32, 4)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("train", 10),
        ("validation", 15),
        ("train", 20),
        ("train", 30),
        ("validation", 30),
    ]
    for group in ("bank", "norms", "shared"):  # an adapter's own norms are shared
        assert all(
            lines[0][f"{what}_norm/{group}"] > 0 for what in ("gradient", "parameter", "update")
        )
    validation = lines[-1]
    assert {"loss", "mean", "synthetic_choice/accuracy", "synthetic_similarity/pearson"} <= set(
        validation
    )
    assert list((run / "logs").glob("events*"))
    best = json.loads((run / "best.json").read_text())
    assert best["value"] == max(line["mean"] for line in lines if line["kind"] == "validation")
    assert "3 adapters" in output and "done: step 30" in output
    assert list((run / "best").glob("ckpt-*.index"))


def test_the_frozen_backbone_is_not_in_the_checkpoint(whole_run):
    names = " ".join(weights_of(whole_run[0]))
    assert "adapter" in names and "layer_norm" in names
    assert "SelfAttention.q" not in names and "embeddings" not in names


def test_stopped_then_killed_and_resumed_ends_in_the_same_bits(whole_run, small_dataset, tmp_path):
    """A signal that asks, and is answered by a checkpoint; then one that does not ask."""
    run = tmp_path / "run"
    process = spawn(small_dataset, run)
    wait_for_checkpoint(run, process, 5)
    process.terminate()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 3, output
    assert "SIGTERM: saved at step" in output and "done" not in output
    step = int(output.split("saved at step ")[1].split(";")[0])
    assert int(weights_of(run)["step/.ATTRIBUTES/VARIABLE_VALUE"]) == step
    said = kill_after(20, arguments(small_dataset, run))
    assert f"going on from step {step}" in said
    assert "going on from step" in finish(small_dataset, run)
    resumed, whole = weights_of(run), weights_of(whole_run[0])
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [10, 15, 20, 30, 30]


def test_mixed_batches_with_two_methods_train_and_score(small_dataset, tmp_path):
    """Rows of all tasks in a batch, LoRA and layer norms per task; then `eval` as ever."""
    run = tmp_path / "run"
    extra = ("--data.routing=example", "--adapters.method=lora,layer_norm")
    output = finish(small_dataset, run, *extra, "--training.best_metric=loss")
    assert "of 240 rows" in output
    tasks = load_manifest(small_dataset).tasks
    for task in tasks:
        tensors = load_file(str(run / "adapters" / task / "adapter_model.safetensors"))
        assert "encoder.block.0.layer.0.SelfAttention.q.lora.a" in tensors
        assert "decoder.final_layer_norm.task_norm.weight" in tensors
    assert evaluate(["--run", str(run), "--split", "validation"]) == 0
    assert set(json.loads((run / "eval" / "validation.json").read_text())["tasks"]) == set(tasks)


def test_again_says_that_all_is_done(whole_run, small_dataset, capsys):
    before = weights_of(whole_run[0])
    assert run_command(main, arguments(small_dataset, whole_run[0])) == 0
    output = capsys.readouterr().out
    assert "done: step 30" in output and "step 1/" not in output
    for name, value in weights_of(whole_run[0]).items():
        np.testing.assert_array_equal(value, before[name])


def test_load_run_gives_the_checkpoints_weights(whole_run):
    run = whole_run[0]
    loaded = load_run(run, "last")
    assert loaded.step == 30
    path = "decoder.block.0.layer.2.DenseReluDense.adapter.up_kernel"
    kernel = loaded.model.trainable_by_path()[path]
    # TensorFlow doubles the dots of a name.
    key = f"trainable/{path.replace('.', '..')}/"
    saved = [value for name, value in weights_of(run).items() if name.startswith(key)]
    assert len(saved) == 1, list(weights_of(run))
    np.testing.assert_array_equal(kernel, saved[0])
    assert load_run(run, "none").step == 0


def test_tasks_start_from_the_adapters_of_an_earlier_run(
    whole_run, small_dataset, tmp_path, capsys
):
    earlier, names = whole_run[0], ("synthetic_choice", "synthetic_entailment")
    folder = earlier / "adapters" / names[0]
    starts = f"--adapters.start_from={{{names[1]}: {folder}}}"
    short = [f"--tasks={','.join(names)}", "--training.steps=1", "--optimizer.learning_rate=1e-9"]
    argv = arguments(small_dataset, tmp_path / "run", starts, *short)
    for _ in range(2):  # the second time all is done, and nothing starts anew
        assert run_command(main, argv) == 0
    assert capsys.readouterr().out.count(f"{names[1]} starts from {folder}") == 1
    model = load_run(tmp_path / "run").model
    started, fresh = (task_tensors(model, name) for name in reversed(names))
    expected = load_file(str(folder / "adapter_model.safetensors"))
    assert started.keys() == expected.keys()
    for path, tensor in started.items():
        np.testing.assert_allclose(tensor, expected[path], atol=1e-6)
    assert any(np.abs(fresh[path] - expected[path]).max() > 1e-3 for path in expected)


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        (["--training.stepz=3"], 2, "did you mean --training.steps"),
        (["--training.steps=three"], 2, "training.steps"),
        (["--training.steps=0"], 2, "must be above 0"),
        (["--tasks=synthetic_entailmant"], 2, "did you mean 'synthetic_entailment'"),
        (["--optimizer.name=adam"], 2, "did you mean 'adamw'"),
        (["--adapters.method=bottelneck"], 2, "did you mean 'bottleneck'"),
        (["--adapters.settings={lora: {rnak: 3}}"], 2, "did you mean 'rank'"),
        (["--adapters.method=lora,dora"], 2, "one method twice"),
        (["--adapters.method=lora,ia3"], 2, "v has an adapter already (lora)"),
        (["--data.routing=exmaple"], 2, "did you mean 'example'"),
        (["--model.backbone=t5-tinny"], 2, "t5-tiny"),
        (["--adapters.start_from=nowhere"], 1, "nowhere holds no trained adapters"),
        (["--adapters.nearest_by=tasks.npz"], 2, "needs adapters.start_from"),
        (["--data.train_split=trian"], 2, "did you mean 'train'"),
        (["--training.best_metric=synthetic_choice/acuracy"], 2, "synthetic_choice/accuracy"),
        (["--training.precision=bfloat16"], 2, "mixed_bfloat16"),
        (["--distribution.kind=tpus"], 2, "did you mean 'tpu'"),
        (["--distribution.logical_devices=4", "--data.batch_size=10"], 2, "use 8 or 12"),
        (["--config=nowhere.yaml"], 2, "nowhere.yaml"),
        (["--dataset=nowhere"], 1, "nowhere"),
    ],
)
def test_bad_settings_are_one_line_and_write_nothing(
    small_dataset, tmp_path, capsys, extra, code, message
):
    run = tmp_path / "run"
    assert run_command(main, arguments(small_dataset, run, *extra)) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error
    assert not run.exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--model.freeze=[encodr]"], "did you mean 'encoder'"),
        (["--model.overrides={d_modell: 3}"], "d_modell"),
        (["--adapters.method=lora,ia3"], "v has an adapter already (lora)"),
        (["--adapters.settings={bottleneck: {leave_out: [encoder.block.77]}}"], "77"),
    ],
)
def test_a_model_that_cannot_be_is_refused_before_the_data_is_read(
    small_dataset, tmp_path, capsys, extra, message
):
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset, ignore=shutil.ignore_patterns("*.tfrecord*"))
    assert run_command(main, arguments(dataset, tmp_path / "run", *extra)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_folder_of_another_configuration_is_refused(whole_run, small_dataset, capsys):
    code = run_command(
        main, arguments(small_dataset, whole_run[0], "--optimizer.learning_rate=0.5", "--seed=3")
    )
    error = capsys.readouterr().err
    assert code == 2 and error.startswith("error: run folder run is of another configuration:\n")
    for line in ("  optimizer.learning_rate was 0.01, now 0.5", "  seed was 0, now 3"):
        assert line in error.splitlines()


def test_a_missing_dataset_option_is_asked_for(capsys):
    assert run_command(main, ["--run=x"]) == 2
    assert "--dataset is missing" in capsys.readouterr().err


def test_of_a_torn_checkpoint_the_one_before_it_is_taken(
    whole_run, small_dataset, tmp_path, capsys
):
    run = tmp_path / "run"
    shutil.copytree(whole_run[0], run)
    for file in (run / "checkpoints").glob("ckpt-30.data*"):
        file.write_bytes(file.read_bytes()[:1000])
    assert run_command(main, arguments(small_dataset, run)) == 0
    output = capsys.readouterr().out
    assert "ckpt-30 is damaged and not taken" in output and "going on from step 25" in output
    resumed, whole = weights_of(run), weights_of(whole_run[0])
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    for file in (run / "checkpoints").glob("ckpt-*.data*"):
        file.write_bytes(file.read_bytes()[:1000])
    assert run_command(main, arguments(small_dataset, run)) == 1
    error = capsys.readouterr().err
    assert "checkpoint" in error and error.startswith("error: ")


def test_a_full_disk_is_one_line_and_keeps_the_earlier_checkpoints(
    small_dataset, tmp_path, capsys, monkeypatch
):
    """TensorFlow's message on a full disk, as it was seen on a file system of 700 KB."""
    run = tmp_path / "run"
    save = tf.train.CheckpointManager.save

    def save_on_a_full_disk(self, checkpoint_number):
        if checkpoint_number == 10:
            message = "/x/ckpt-10_temp/part-00000; No space left on device"
            raise tf.errors.ResourceExhaustedError(None, None, message)
        return save(self, checkpoint_number=checkpoint_number)

    monkeypatch.setattr(tf.train.CheckpointManager, "save", save_on_a_full_disk)
    assert run_command(main, arguments(small_dataset, run)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: disk full: the checkpoint of step 10")
    assert error.endswith(f"; the last whole one is {run / 'checkpoints' / 'ckpt-5'}\n")
    assert error.count("\n") == 1
    assert [file.name for file in (run / "checkpoints").glob("*.index")] == ["ckpt-5.index"]


def test_tasks_without_a_training_split_are_left_out_and_named(small_dataset, tmp_path, capsys):
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset)
    document = json.loads((dataset / "dataset.json").read_text())
    del document["tasks"]["synthetic_similarity"]["splits"]["train"]
    (dataset / "dataset.json").write_text(json.dumps(document))
    run = tmp_path / "run"
    assert run_command(main, arguments(dataset, run, "--training.steps=1")) == 0
    assert "without a split 'train': synthetic_similarity\n" in capsys.readouterr().out
    tasks = yaml.safe_load((run / "config.yaml").read_text())["tasks"]
    assert tasks == ["synthetic_entailment", "synthetic_choice"]
    asked = arguments(dataset, tmp_path / "other", "--tasks=synthetic_similarity")
    assert run_command(main, asked) == 2
    assert "synthetic_similarity" in capsys.readouterr().err
