"""A task whose code ends the worker process fails alone."""

import dataclasses

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.manifest import load_manifest
from prep.errors import DataError
from prep.tasks import get_task
from prep.tasks.tasks_file import load_tasks

pytestmark = pytest.mark.slow


def module_with(path, *bodies):
    """A module with one variant of RTE per body of a row function."""
    parts = ["import dataclasses, os, pathlib, signal, sys", "from prep.tasks import get_task", ""]
    for number, body in enumerate(bodies):
        parts += [f"def change{number}(row):", *(f"    {line}" for line in body), "    return row"]
    variants = (
        f"dataclasses.replace(get_task('rte'), name='rte{number}', row_functions=(change{number},))"
        for number in range(len(bodies))
    )
    path.write_text("\n".join([*parts, f"TASKS = [{', '.join(variants)}]", ""]))
    return load_tasks(path)


EXIT = ["if row['index'] == '17': os._exit(9)"]
KILL = ["if row['index'] == '3': os.kill(os.getpid(), signal.SIGKILL)"]
SEGFAULT = ["if row['index'] == '29': os.kill(os.getpid(), signal.SIGSEGV)"]
FINE = ["row = dict(row, sentence1='changed')"]


@pytest.fixture
def options(rte_options, tmp_path):
    module = tmp_path / "mine.py"

    def make(*bodies, **changes):
        tasks = (*module_with(module, *bodies), get_task("rte"))
        return rte_options(
            **({"tasks": tasks, "modules": (module,), "workers": 2, "shard_records": 4} | changes)
        )

    return make


def test_crashes_fail_alone_and_the_others_are_as_ever(options, tmp_path, contents):
    made = options(EXIT, FINE, KILL, SEGFAULT)
    manifest = build_dataset(made)
    died = "ended the worker process, by itself or by a lack of memory"
    assert manifest.failed == {
        "rte0": f"writing train from row 18 of train.tsv {died}",
        "rte2": f"writing train from row 2 of train.tsv {died}",
        "rte3": f"writing train from row 30 of train.tsv {died}",
    }
    assert list(manifest.tasks) == ["rte1", "rte"]
    assert load_manifest(made.out) == manifest
    assert sorted(path.name for path in made.out.iterdir()) == [
        *("dataset.json", "rte", "rte1", "spiece.model")
    ]
    sound = rte_without_crashes(made, tmp_path / "sound")
    expected = {name: data for name, data in contents(sound).items() if "/" in name}
    assert {name: data for name, data in contents(made.out).items() if "/" in name} == expected


def rte_without_crashes(options, out):
    sound = tuple(task for task in options.tasks if task.name in ("rte1", "rte"))
    build_dataset(dataclasses.replace(options, tasks=sound, workers=1, out=out))
    return out


def test_a_death_that_does_not_happen_again_is_forgiven(options, tmp_path):
    once = tmp_path / "once"
    body = [
        f"if row['index'] == '29' and not pathlib.Path({str(once)!r}).exists():",
        f"    pathlib.Path({str(once)!r}).touch()",
        "    os._exit(9)",
    ]
    manifest = build_dataset(options(body))
    assert once.exists()
    assert manifest.failed == {}
    assert manifest.task("rte0").split("train").examples == 30


def test_a_machine_on_which_no_worker_starts_blames_no_task(options, tmp_path):
    made = options(FINE)
    with made.modules[0].open("a") as file:  # workers import it as they start
        file.write("import multiprocessing\nif multiprocessing.parent_process(): os._exit(9)\n")
    with pytest.raises(DataError, match="worker processes end as they start"):
        build_dataset(made)
    assert (tmp_path / ".dataset.partial").is_dir()
