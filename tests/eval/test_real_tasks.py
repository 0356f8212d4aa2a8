"""On every real task, replicas and worker processes answer as one device does."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf
import yaml

from adapters_tf import build_model
from adapters_tf.runs.loading import trainable_checkpoint
from adapters_tf.runs.settings import parse_settings
from eval import __main__ as evaluate
from prep import build_dataset, run_command
from prep.build.options import BuildOptions
from prep.errors import DataError
from prep.sources.declarations import FileSource
from prep.splits.finding import plan_task
from prep.splits.selection import CountRequest, Selection
from prep.tasks import ALL_TASKS
from tests.eval.conftest import randomize
from tests.eval.test_workers import ROOT, cluster, read_predictions
from tests.trainer.test_two_workers import free_ports

pytestmark = pytest.mark.slow
REAL_DATA = ROOT.parent / "shared" / "data"
EXAMPLES = 9  # of each task at most: two batches, and a rest of one for two replicas
LEAST = 20  # tasks whose files are expected there


def is_there(task):
    try:
        plan_task(task, REAL_DATA, 2048)
    except DataError:
        return False
    return True


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    """A run of all real tasks: a tiny random T5 with large random LoRA for each."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"../shared/data is absent: {REAL_DATA}")
    tasks = tuple(
        task for task in ALL_TASKS if isinstance(task.source, FileSource) and is_there(task)
    )
    folder = tmp_path_factory.mktemp("real")
    build = BuildOptions(
        tasks=tasks,
        vocabulary=REAL_DATA / "t5_vocab" / "spiece.model",
        out=folder / "dataset",
        data_dir=REAL_DATA,
        max_input_length=48,
        max_target_length=8,
        selection=Selection(
            limits=(CountRequest("train", EXAMPLES), CountRequest("validation", EXAMPLES))
        ),
        accept_rejects=True,
    )
    manifest = build_dataset(build, report=lambda line: None)
    config = {
        "dataset": str(build.out),
        "run": str(folder / "run"),
        "tasks": list(manifest.tasks),
        "seed": 0,
        "model": {
            "backbone": "t5-tiny",
            "overrides": {"num_layers": 1, "d_model": 32, "d_ff": 64},
            "vocabulary_size": manifest.vocabulary.size,
        },
        "adapters": {
            "method": "lora",  # whose answers hang on their inputs, random as it is
            "settings": {"lora": {"rank": 8, "targets": ["q", "k", "v", "o"]}},
            "train_layer_norms": False,
        },
        "data": {"batch_size": 4, "input_length": 48, "target_length": 8},
        "training": {"precision": "float32"},
        "vocabulary_sha256": manifest.vocabulary.sha256,
    }
    run = folder / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    model = build_model(parse_settings(config, "config.yaml"))
    randomize(model)
    checkpoint = trainable_checkpoint(model, step=tf.Variable(7, dtype=tf.int64, trainable=False))
    tf.train.CheckpointManager(checkpoint, str(run / "best"), max_to_keep=1).save()
    return run


def start(run, *words, **variables):
    return subprocess.Popen(
        [sys.executable, "-m", "eval", "--run", str(run), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables},
    )


def test_replicas_and_workers_answer_every_real_task_as_one_device_does(real_run, tmp_path):
    runs = {name: tmp_path / name for name in ("replicas", "workers")}
    for run in runs.values():
        shutil.copytree(real_run, run)
    ports = free_ports(2)
    started = [start(runs["replicas"], "--logical-devices", "2")]
    assert run_command(evaluate.main, ["--run", str(real_run)]) == 0
    said = [process.communicate(timeout=600)[0] for process in started]
    started += [start(runs["workers"], TF_CONFIG=cluster(one, ports)) for one in range(2)]
    said += [process.communicate(timeout=600)[0] for process in started[1:]]
    assert [process.returncode for process in started] == [0, 0, 0], said
    records, shares = read_predictions(real_run)
    figures = json.loads((real_run / "eval" / "validation.json").read_text())
    tasks = figures["tasks"]
    assert len(tasks) >= LEAST
    scored = [task for task in tasks for _ in range(tasks[task]["examples"])]
    assert [one["task"] for one in records] == scored and len(scored) > EXAMPLES * (LEAST - 1)
    # Answers of a task that are all alike could come in any order.
    assert len({one["prediction"] for one in records}) > 50
    for name in runs:
        same, other_shares = read_predictions(runs[name])
        assert same == records, name
        assert other_shares == pytest.approx(shares, rel=1e-4, abs=1e-6), name
        others = json.loads((runs[name] / "eval" / "validation.json").read_text())
        assert others["replicas"] == 2
        for task, one in others["tasks"].items():
            assert one["metrics"] == pytest.approx(tasks[task]["metrics"], rel=1e-5), (name, task)
