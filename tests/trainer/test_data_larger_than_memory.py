"""Runs whose training splits need ten times the memory that they may take."""

import json
import shutil

import numpy as np
import pytest

from adapters_tf.runs.config import read_config
from prep import load_manifest, run_command
from tests.trainer.checkpoint_values import weights_of
from tests.trainer.position_counts import check_positions
from tests.trainer.test_fit import arguments
from trainer.__main__ import main
from trainer.settings.memory import memory_needs

pytestmark = pytest.mark.slow

TASKS = ("synthetic_entailment", "synthetic_choice")
FEW = ("--training.steps=20", "--training.validate_every=0")


@pytest.fixture(scope="module")
def sharded(build_shards):
    """Two tasks in thirty shards each, and a limit of a tenth of what they need."""
    out, manifest = build_shards(TASKS, ["train=240", "validation=20"], 8, input_length=32)
    return out, sum(memory_needs(TASKS, manifest, "train").values()) // 10


@pytest.fixture(scope="module")
def blocked_run(sharded, tmp_path_factory):
    """A run in blocks that nothing interrupted."""
    dataset, limit = sharded
    run = tmp_path_factory.mktemp("blocked") / "run"
    assert main(arguments(dataset, run, *FEW, f"--data.memory_limit={limit}")) == 0
    return run


def test_a_killed_run_ends_in_the_same_bits(sharded, blocked_run, tmp_path, go_back, capsys):
    """Without the limit being said again: the run keeps it."""
    (dataset, limit), run = sharded, tmp_path / "run"
    shutil.copytree(blocked_run, run)
    go_back(run, 15)
    assert main(arguments(dataset, run, *FEW)) == 0
    said = capsys.readouterr().out
    assert "going on from step 15" in said
    assert "an epoch in " in said and " windows of " in said
    assert read_config(run).data.memory_limit == limit
    check_positions(blocked_run)
    whole = weights_of(blocked_run)
    for name, value in weights_of(run).items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)


def test_another_order_is_refused_before_anything_is_read(
    sharded, blocked_run, tmp_path, capsys, monkeypatch
):
    (dataset, limit), run = sharded, tmp_path / "run"
    monkeypatch.setattr("trainer.fit.make_batches", None)
    for other in (2 * limit, "1GB"):
        again = arguments(dataset, blocked_run, *FEW, f"--data.memory_limit={other}")
        assert run_command(main, again) == 2
        error = capsys.readouterr().err
        assert f"data.memory_limit was {limit}, now {2 * limit if other != '1GB' else 0}" in error
    assert run_command(main, arguments(dataset, run, "--data.memory_limit=300")) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: data.memory_limit is 300 bytes, of which synthetic_")
    assert error.count("\n") == 1
    assert run_command(main, arguments(dataset, run, "--data.memory_limit=2 gigs")) == 2
    assert "expected bytes, a size such as 2GB" in capsys.readouterr().err
    assert not run.exists()


def test_a_run_that_was_read_whole_stays_so(sharded, tmp_path, capsys):
    (dataset, limit), run = sharded, tmp_path / "run"
    start = arguments(dataset, run, *FEW, "--training.steps=2")
    assert main(start) == 0
    assert read_config(run).data.memory_limit == 0
    capsys.readouterr()
    assert main([*start, "--data.memory_limit=1GB"]) == 0  # more than it needs: the same order
    assert run_command(main, [*start, f"--data.memory_limit={limit}"]) == 2
    assert f"data.memory_limit was 0, now {limit}" in capsys.readouterr().err


def test_tasks_with_shapes_of_their_own_and_mixed_batches(sharded, tmp_path):
    """Each shape has a stream of its own, and a mixed batch takes rows of several tasks."""
    dataset, limit = sharded
    for name, extra in (
        ("shapes", ("--data.lengths=per_task", "--data.input_length=0")),
        ("mixed", ("--data.routing=example",)),
    ):
        few = ("--training.steps=4", f"--data.memory_limit={limit}", "--data.mixture=equal")
        assert main(arguments(dataset, tmp_path / name, *few, *extra)) == 0
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[0])["loss"] > 0


def test_a_shard_that_is_damaged_meanwhile_is_one_line(sharded, tmp_path, capsys):
    dataset, limit = sharded
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in dataset.rglob("*"):
        if file.is_file():
            (damaged / file.relative_to(dataset)).parent.mkdir(exist_ok=True)
            (damaged / file.relative_to(dataset)).write_bytes(file.read_bytes())
    names = []
    for task in TASKS:
        for shard in load_manifest(damaged).task(task).split("train").shards[3:]:
            content = bytearray((damaged / shard.file).read_bytes())
            if content:  # the last ones may be empty
                content[40] ^= 4
                (damaged / shard.file).write_bytes(content)
                names.append(shard.file)
    run = tmp_path / "run"
    assert run_command(main, arguments(damaged, run, *FEW, f"--data.memory_limit={limit}")) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: shard ") and error.count("\n") == 1
    assert "is corrupt: crc32c" in error and any(name in error for name in names)
