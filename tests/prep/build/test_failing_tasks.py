"""One bad task fails alone: the others are built, and whoever asks is told."""

import json

import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.commands.split_options import parse_selection
from prep.dataset.manifest import load_manifest
from prep.dataset.verification import find_problems
from prep.errors import DataError, UsageError, run_command
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

COLA = "gj04\t1\t\tthe cat sat\ngj04\t0\t*\tcat the sat\n"


def write_cola(data):
    (data / "cola").mkdir(exist_ok=True)
    for name in ("train.tsv", "dev.tsv", "val.tsv"):
        (data / "cola" / name).write_text(COLA)


@pytest.fixture
def options(rte_options):
    """Makes options for RTE, whose files are there, between two other tasks."""

    def make(**changes):
        names = ("cola", "rte", "synthetic_choice")
        return rte_options(
            **({"tasks": tuple(map(get_task, names)), "shard_records": 5000} | changes)
        )

    return make


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_without_files_does_not_keep_the_others_from_being_built(
    options, tmp_path, workers, contents
):
    lines = []
    manifest = build_dataset(options(workers=workers), lines.append)
    assert list(manifest.tasks) == ["rte", "synthetic_choice"]
    assert list(manifest.failed) == ["cola"]
    assert "missing cola/train.tsv" in manifest.failed["cola"]
    assert lines[0].startswith("task 'cola' failed, the others go on: its files are not below")
    assert load_manifest(tmp_path / "dataset") == manifest
    assert not list(tmp_path.glob(".*partial"))
    alone = options(tasks=(get_task("rte"),), out=tmp_path / "alone")
    assert build_dataset(alone).tasks["rte"] == manifest.tasks["rte"]
    shards = {name: data for name, data in contents(alone.out).items() if name.startswith("rte/")}
    assert shards.items() <= contents(tmp_path / "dataset").items()


def test_a_task_of_which_nothing_is_left_fails_alone(options, rte_data, tmp_path):
    (rte_data / "rte" / "val.tsv").write_text("1\ta\tb\tmaybe\n")
    write_cola(rte_data)
    manifest = build_dataset(options())
    assert list(manifest.tasks) == ["cola", "synthetic_choice"]
    assert "'validation' is empty: every row was rejected" in manifest.failed["rte"]
    assert sorted(path.name for path in (tmp_path / "dataset").iterdir()) == [
        "cola",
        "dataset.json",
        "spiece.model",
        "synthetic_choice",
    ]


MODULE = """
import dataclasses
from prep.tasks import get_task

def fail(row):
    raise ZeroDivisionError("no such thing")

def generate():
    raise OverflowError("too many")

TASKS = [
    dataclasses.replace(get_task("rte"), name="zero", row_functions=(fail,)),
    dataclasses.replace(
        get_task("synthetic_choice"),
        name="over",
        source=dataclasses.replace(get_task("synthetic_choice").source, generate=generate),
    ),
]
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_code_that_raises_fails_alone(options, tmp_path, workers):
    module = tmp_path / "mine.py"
    module.write_text(MODULE)
    tasks = (*load_tasks(module), get_task("rte"))
    manifest = build_dataset(
        options(tasks=tasks, modules=(module,), workers=workers, shard_records=8)
    )
    assert list(manifest.tasks) == ["rte"]
    assert manifest.failed == {
        "zero": "split 'train' is empty: every row was rejected (30 × unusable row (row 2 of"
        " train.tsv, ZeroDivisionError no such thing))",
        "over": "its rows could not be read: OverflowError: too many",
    }


def test_if_every_task_fails_nothing_is_written(options, rte_data, tmp_path):
    (rte_data / "rte" / "val.tsv").write_text("1\ta\tb\tmaybe\n")
    both = (get_task("cola"), get_task("rte"))
    with pytest.raises(DataError, match=r"every task failed: task 'cola': .*; task 'rte': split"):
        build_dataset(options(tasks=both))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_building_again_tries_again_and_leaves_the_rest(options, rte_data, tmp_path, contents):
    build_dataset(options())
    shard = next((tmp_path / "dataset" / "rte").glob("train*"))
    before = shard.stat().st_mtime_ns
    write_cola(rte_data)
    lines = []
    manifest = build_dataset(options(), lines.append)
    assert lines[0] == "trying again: cola"
    assert list(manifest.tasks) == ["cola", "rte", "synthetic_choice"]
    assert shard.stat().st_mtime_ns == before
    build_dataset(options(out=tmp_path / "whole"))
    assert contents(tmp_path / "dataset") == contents(tmp_path / "whole")
    build_dataset(options(), lines.append)
    assert "nothing to do" in lines[-1]


def test_what_is_there_is_not_replaced_by_less(options, rte_data, tmp_path, contents):
    build_dataset(options(tasks=(get_task("rte"), get_task("synthetic_choice"))))
    before = contents(tmp_path / "dataset")
    (rte_data / "rte" / "train.tsv").unlink()
    (rte_data / "rte" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"left as it is.*task 'rte': its files are not below"):
        build_dataset(options(tasks=(get_task("rte"), get_task("synthetic_choice"))))
    assert contents(tmp_path / "dataset") == before


def test_mistakes_in_what_was_asked_for_come_before_any_work(options, tmp_path):
    with pytest.raises(UsageError, match="there is no source"):
        build_dataset(options(source="fils"))
    with pytest.raises(UsageError, match="nothing to do for split 'dev' of rte"):
        build_dataset(options(selection=parse_selection([], [], ["rte/dev=5"], 0)))
    assert not (tmp_path / "dataset").exists()


def test_requests_for_a_task_that_failed_are_left_aside(options):
    selection = parse_selection(["cola/test=validation:0.5"], ["dev=1"], ["rte/train=7"], 0)
    manifest = build_dataset(options(selection=selection))
    assert manifest.tasks["rte"].splits["train"].examples == 7


def test_readers_are_told(options, tmp_path):
    build_dataset(options())
    folder = tmp_path / "dataset"
    assert "failed, and not in it: cola: its files" in "\n".join(
        describe_dataset(survey_dataset(folder))
    )
    problems = list(find_problems(folder))
    assert len(problems) == 1
    assert problems[0].startswith("task 'cola' is not there, its build failed: its files")
    with pytest.raises(UsageError, match="lacks the task 'cola', whose build failed: its files"):
        load_manifest(folder).task("cola")
    document = json.loads((folder / "dataset.json").read_text())
    assert list(document["failed"]) == ["cola"]


def test_the_command_says_which_and_exits_with_1(rte_data, small_vocabulary, tmp_path, capsys):
    arguments = ["build", "--tasks", "cola,rte,sst2", "--data-dir", str(rte_data), "--workers", "1"]
    arguments += ["--vocabulary", str(small_vocabulary), "--out", str(tmp_path / "dataset")]
    assert run_command(main, arguments) == 1
    captured = capsys.readouterr()
    summary = [line for line in captured.out.splitlines() if line.startswith("failed: ")]
    assert [line.split(":")[1] for line in summary] == [" cola", " sst2"]
    assert captured.err == (
        "error: 2 of 3 tasks failed: cola, sst2; the same command tries again\n"
    )
    assert run_command(main, ["build", "--tasks", "cola,ret", *arguments[3:]]) == 2
