"""A run in a bucket grows by a task into another folder of the bucket, as it does on a disk."""

import contextlib

import pytest

from adapters_tf.files.bucket_runs import copy_run, is_of_run
from adapters_tf.runs.config import read_config
from prep import run_command
from tests.trainer.adding.test_add_task import ALONE, NEW, add, check_others_stay, files_of, train
from trainer.__main__ import main

pytestmark = pytest.mark.slow


def upload(folder, bucket, name):
    from google.cloud import storage

    with contextlib.closing(storage.Client(project=None)) as client:
        for path, data in files_of(folder).items():
            client.bucket(bucket).blob(f"{name}/{path.as_posix()}").upload_from_string(data)


def test_it_is_what_grows_on_a_disk(bucket, objects, small_dataset, tmp_path, capsys):
    run = train(small_dataset, tmp_path / "run", "--adapters.method=lora", ALONE)
    upload(run, bucket, "old")
    before = {name: one.data for name, one in objects.items()}
    old, new = f"gs://{bucket}/old", f"gs://{bucket}/grown"
    assert add(small_dataset, old, new, "--steps=4", "--dry-run") == 0
    assert {name: one.data for name, one in objects.items()} == before
    assert add(small_dataset, old, new, "--steps=4") == 0
    said = capsys.readouterr().out
    assert f"done: {new} has 3 tasks" in said and f"python -m eval --run {new}" in said
    assert "temporary" not in said
    assert {name: one.data for name, one in objects.items() if name in before} == before
    grown = tmp_path / "grown"
    grown.mkdir()
    copy_run(new, grown, is_of_run)
    check_others_stay(run, grown)
    settings = read_config(grown)
    assert (settings.run, settings.bank_of) == (new, old)
    here = tmp_path / "here"
    assert add(small_dataset, run, here, "--steps=4") == 0
    assert files_of(here / "adapters" / NEW) == files_of(grown / "adapters" / NEW)
    capsys.readouterr()
    assert add(small_dataset, old, new, "--steps=4") == 2
    assert f"{new} holds something already" in capsys.readouterr().err


def test_a_bucket_that_is_none_is_named(bucket, small_dataset, tmp_path, capsys):
    words = ["add-task", "--run=gs://none/run", f"--dataset={small_dataset}", f"--task={NEW}"]
    assert run_command(main, [*words, f"--out={tmp_path / 'out'}", "--steps=4"]) == 1
    assert "error: gs://none/run cannot be read: 404" in capsys.readouterr().err
