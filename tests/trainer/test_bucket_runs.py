"""A run folder in a bucket: trained in, gone on with, scored and read there, never seen by half."""

import contextlib
import gc
import io
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.__main__ import main as adapters
from adapters_tf.files import bucket_runs
from adapters_tf.files.bucket_runs import copy_run, is_of_run, local_copy
from adapters_tf.runs.checkpoints import newest_whole
from adapters_tf.runs.config import read_config
from eval.__main__ import main as evaluate
from prep import DataError, run_command
from tests.trainer.checkpoint_values import weights_of
from tests.trainer.test_fit import arguments
from trainer.__main__ import main

with warnings.catch_warnings():
    # Google's client tells when it will leave this Python behind, and what else to install.
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", ImportWarning)
    from prep.storage.bucket import BucketFolder
    from prep.storage.bucket_mirror import BucketMirror
    from prep.storage.bucket_owner import OWNER_FILE
    from trainer.run.bucket_run import order

pytestmark = pytest.mark.slow

FEW = (
    "--training.steps=6",
    "--training.checkpoint_every=2",
    "--training.keep_checkpoints=1",
    "--training.validate_every=3",
    "--training.log_every=2",
)


def train(dataset, run, *extra):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = run_command(main, arguments(dataset, run, *FEW, *extra))
    return code, said.getvalue()


@pytest.fixture(scope="module")
def on_disk(small_dataset, tmp_path_factory):
    """The same run on a disk."""
    run = tmp_path_factory.mktemp("disk") / "glue"
    assert train(small_dataset, run)[0] == 0
    return run


def check_same(run, address, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_run(address, copy, is_of_run)
    found, right = weights_of(copy), weights_of(run)
    assert found.keys() == right.keys()
    for name, value in right.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (copy, run)
    ]
    kept = [{name for name in one if not name.startswith("logs/")} for one in names]
    assert kept[0] == kept[1]
    assert (copy / "best.json").read_bytes() == (run / "best.json").read_bytes()
    return copy


def test_it_is_the_run_on_a_disk_and_read_where_it_is(
    bucket, emulator, objects, on_disk, small_dataset, tmp_path, capsys, monkeypatch
):
    address = f"gs://{bucket}/mine/glue"
    code, said = train(small_dataset, address)
    assert code == 0 and f"done: step 6, run folder {address}" in said
    assert f"under {address}/adapters" in said and "temporary" not in said
    copy = check_same(on_disk, address, tmp_path)
    assert read_config(copy).run == address
    assert any(name.startswith("mine/glue/logs/events.out") for name in objects)
    assert not any(OWNER_FILE in name for name in objects)
    written = [name.removeprefix("mine/glue/") for name in emulator.store.writes]
    for step in (2, 4, 6):
        data = f"checkpoints/ckpt-{step}.data-00000-of-00001"
        assert written.index(data) < written.index(f"checkpoints/ckpt-{step}.index")
    assert "checkpoints/ckpt-2.index" not in {name[10:] for name in objects}  # one is kept
    for name, value in emulator.tensorflow_settings().items():
        monkeypatch.setenv(name, value)
    curves = [
        value.tag
        for file in tf.io.gfile.glob(f"{address}/logs/events*")  # as TensorBoard does
        for event in tf.compat.v1.train.summary_iterator(file)
        for value in event.summary.value
    ]
    assert "train/loss" in curves and "validation/mean" in curves
    capsys.readouterr()
    assert run_command(evaluate, [f"--run={address}"]) == 0
    assert f"wrote {address}/eval/validation.json" in capsys.readouterr().out
    assert json.loads(objects["mine/glue/eval/validation.json"].data)["run"] == address
    assert "mine/glue/eval/validation.predictions.jsonl" in objects
    assert run_command(adapters, ["list", address]) == 0
    assert "synthetic_choice" in capsys.readouterr().out
    out = tmp_path / "hub"
    export = ["export", f"--run={address}", "--task=synthetic_choice", "--format=adapterhub"]
    assert run_command(adapters, [*export, f"--out={out}"]) == 0 and out.is_dir()
    code, said = train(small_dataset, address)  # all is done, and figures of others stay
    assert code == 0 and "mine/glue/eval/validation.json" in objects
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_bucket_that_refuses_ends_the_run_and_the_same_command_goes_on(
    bucket, emulator, on_disk, small_dataset, tmp_path, capsys
):
    address = f"gs://{bucket}/glue"
    emulator.faults.add("POST", status=403, count=1 << 30, skip=12)
    code, _ = train(small_dataset, address)
    error = capsys.readouterr().err
    assert code == 1 and error.startswith("error: ") and error.count("\n") == 1
    emulator.faults.clear()
    with local_copy(address) as folder:
        assert newest_whole(folder / "checkpoints").step < 6
    code, said = train(small_dataset, address)
    assert code == 0 and "going on from step" in said
    check_same(on_disk, address, tmp_path)


def test_a_second_trainer_is_refused_and_writes_nothing(
    bucket, emulator, objects, small_dataset, capsys
):
    says = {"host": "there", "process": 7, "lock": "/x", "renewed": time.time()}
    emulator.store.put(bucket, f"glue/{OWNER_FILE}", json.dumps(says).encode())
    code, _ = train(small_dataset, f"gs://{bucket}/glue")
    error = capsys.readouterr().err
    assert code == 1 and f"another process trains in gs://{bucket}/glue (process 7 " in error
    assert "choose another --run" in error and error.count("\n") == 1
    assert list(objects) == [f"glue/{OWNER_FILE}"]


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "POST", "status": 503, "count": 3},
        {"match": "POST", "reset_after": 10, "count": 2},
        {"match": "POST", "lose_response": True, "count": 3},
        {"match": "POST", "flip_request": True, "count": 2},
        {"match": "DELETE", "lose_response": True},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_faults_that_pass_leave_no_trace(bucket, emulator, objects, tmp_path, fault):
    with BucketFolder(f"gs://{bucket}/glue") as folder:
        mirror, local = make_mirror(folder, tmp_path)
        emulator.faults.add(**fault)
        change(mirror, local)
    assert {name[5:]: one.data for name, one in objects.items()} == contents(local)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def make_mirror(folder, tmp_path):
    local = tmp_path / "local"
    (local / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "best.json", "metrics.jsonl", "checkpoints/ckpt-1.index"):
        (local / name).write_bytes(b"first")
    (local / "checkpoints/ckpt-1.data-00000-of-00001").write_bytes(b"first")
    return BucketMirror(folder, local, order, is_of_run), local


def change(mirror, local):
    """Send what there is, and after a step what there is then."""
    mirror.push()
    for suffix in ("index", "data-00000-of-00001"):
        (local / f"checkpoints/ckpt-1.{suffix}").unlink()
        (local / f"checkpoints/ckpt-2.{suffix}").write_bytes(b"second")
    (local / "best.json").write_bytes(b"of second")
    mirror.push()


def test_wherever_it_ends_a_reader_finds_a_whole_checkpoint(bucket, emulator, objects, tmp_path):
    """Cut off at every one of its requests; an index has its data, and best.json what it names."""
    for cut in range(40):
        objects.clear()
        emulator.faults.clear()
        made = tmp_path / str(cut)
        with BucketFolder(f"gs://{bucket}/glue") as folder:
            mirror, local = make_mirror(folder, made)
            emulator.faults.add("POST|DELETE", status=403, count=1 << 30, skip=cut)
            try:
                change(mirror, local)
            except DataError:
                pass
            else:
                break
        names = {name[5:] for name in objects}
        steps = [name for name in names if name.endswith(".index")]
        assert all(name.replace("index", "data-00000-of-00001") in names for name in steps)
        if "best.json" in names:
            assert steps
            is_second = objects["glue/best.json"].data == b"of second"
            assert ("checkpoints/ckpt-2.index" in names) or not is_second
        assert not names or "config.yaml" in names
    assert cut >= 8


def test_a_copy_is_of_one_moment(bucket, emulator, objects, tmp_path, monkeypatch):
    """The writer replaces a checkpoint while it is read: what is read is the new one, whole."""
    with BucketFolder(f"gs://{bucket}/glue") as folder:
        mirror, local = make_mirror(folder, tmp_path)
        mirror.push()
        download, calls = bucket_runs._download, []

        def download_and_change(blob, file):
            if not calls:
                change(mirror, local)
            calls.append(blob.name)
            return download(blob, file)

        monkeypatch.setattr(bucket_runs, "_download", download_and_change)
        with local_copy(f"gs://{bucket}/glue") as copy:
            found = contents(copy)
    assert found == {name: one for name, one in contents(local).items() if "metrics" not in name}


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "GET .*alt=media", "status": 503, "count": 2},
        {"match": "GET .*alt=media", "flip_response": True, "count": 3},
        {"match": "GET .*alt=media", "truncate_response": True, "count": 2},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
# Google's client leaves the socket of a damaged answer to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_arrives_damaged_is_read_again(bucket, emulator, tmp_path, fault):
    with BucketFolder(f"gs://{bucket}/glue") as folder:
        mirror, local = make_mirror(folder, tmp_path)
        mirror.push()
    emulator.faults.add(**fault)
    with local_copy(f"gs://{bucket}/glue", is_of_run) as copy:
        assert contents(copy) == contents(local)
    assert emulator.faults.injected >= 2
    gc.collect()


def test_what_is_no_run_folder_is_said(bucket, capsys):
    assert run_command(evaluate, ["--run=gs://runs"]) == 2
    assert "expected a run folder such as gs://bucket/runs/glue" in capsys.readouterr().err
    assert run_command(evaluate, ["--run=gs://runs/none"]) == 1
    assert "is no run folder" in capsys.readouterr().err
    assert run_command(evaluate, ["--run=gs://nowhere/none"]) == 1
    error = capsys.readouterr().err
    assert "gs://nowhere/none cannot be read: " in error and error.count("\n") == 1
    assert Path("gs:").exists() is False
