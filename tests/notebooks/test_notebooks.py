"""The notebooks from top to bottom, on embedded tasks; nothing of a run is kept in them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gcs_emulator.server import Emulator

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ("prepare_and_stage", "train_on_tpu", "evaluate_and_debug")


def cells(name, kind="code"):
    book = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nothing_of_a_run_is_kept(name):
    book = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in book["cells"]:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
    assert book["cells"][0]["source"][0].startswith("# ")
    assert book["nbformat"] == 4


def test_they_begin_alike():
    assert len({cells(name)[0] for name in NOTEBOOKS}) == 1


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """A stand-in for what only Colab has, found as the real one is; the calls that it got."""
    folder = tmp_path / "of_colab" / "google" / "colab"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("calls = []\n")
    for module, function in (("drive", "mount"), ("auth", "authenticate_user")):
        (folder / f"{module}.py").write_text(
            f"from google.colab import calls\n\n\ndef {function}(*given):\n"
            f"    calls.append(('{function}', *given))\n"
        )
    loaded = {name for name in sys.modules if name.startswith("google.colab")}
    assert not loaded, "the real one is here"
    monkeypatch.syspath_prepend(tmp_path / "of_colab")
    import google.colab

    yield google.colab.calls
    for name in [name for name in sys.modules if name.startswith("google.colab")]:
        del sys.modules[name]
    del sys.modules["google"].colab


def run_cells(name, *beginnings, **settings):
    """Run the cells that begin so, after the functions of the first; returns what they define."""
    functions, _, rest = cells(name)[0].partition('\n\npython("-m", "notebooks.install")')
    assert rest and "here = Path.cwd()" in functions
    functions = functions.replace("here = Path.cwd()", f"here = Path({str(ROOT)!r})")
    variables = {}
    exec(functions, variables)
    python = variables["python"]
    # A plan is nothing that a test here waits for.
    variables["python"] = lambda *words: None if words[-1] == "--dry-run" else python(*words)
    for beginning in beginnings:
        (cell,) = [one for one in cells(name) if one.startswith(beginning)]
        if beginning == "DRIVE":
            for variable, value in settings.items():
                cell, changed = re.subn(rf"(?m)^{variable} = .*", f"{variable} = {value!r}", cell)
                assert changed == 1, f"{name} has no setting {variable}"
        exec(cell, variables)
    return variables


MOUNT = ("mount", "/content/drive")
STORAGE = ("DRIVE", "# Google Drive")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_drive_is_mounted_where_it_is_asked_for(name, colab):
    run_cells(name, *STORAGE)
    assert colab == []
    run_cells(name, *STORAGE, DRIVE=True)
    assert colab == [MOUNT]


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("prepare_and_stage", "BUCKET"),
        ("prepare_and_stage", "DATA_DIR"),
        ("train_on_tpu", "RUN"),
        ("evaluate_and_debug", "DATASET"),
    ],
)
def test_a_bucket_asks_colab_for_an_account(name, setting, colab):
    run_cells(name, *STORAGE, **{setting: "gs://mine/data"})
    assert colab == [("authenticate_user",)]


def test_an_address_is_no_folder_for_copies(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "notebooks.run", "gs://bucket/out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "'gs://bucket/out' is an address; expected" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What each notebook shows, run in a kernel one after the other; by copy, and as a page."""
    if sys.version_info < (3, 11):
        pytest.skip("Jupyter's kernel of requirements-dev.txt needs Python 3.11")
    place = tmp_path_factory.mktemp("notebooks")
    done = subprocess.run(
        [sys.executable, "-m", "notebooks.run", str(place), "--steps", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def outputs(place, name):
    book = json.loads((place / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [one for cell in book["cells"] for one in cell.get("outputs", [])]


def printed(place, name):
    return "".join("".join(one.get("text", "")) for one in outputs(place, name))


@pytest.mark.slow
def test_they_run_from_top_to_bottom(ran):
    assert "dataset folder: work/data" in printed(ran, "prepare_and_stage")
    assert "done: step 4" in printed(ran, "train_on_tpu")
    figures = printed(ran, "evaluate_and_debug")
    assert "accuracy" in figures and "are wrong" in figures
    for name in NOTEBOOKS:
        # What is installed is said in the notebook, not where its kernel writes.
        assert "0 packages are to be installed" in printed(ran, name)


@pytest.mark.slow
def test_what_they_show_is_shown(ran):
    kinds = {
        name: {kind for one in outputs(ran, name) for kind in one.get("data", {})}
        for name in NOTEBOOKS
    }
    assert "text/html" in kinds["prepare_and_stage"] and "text/html" in kinds["evaluate_and_debug"]
    assert "image/png" in kinds["train_on_tpu"]


@pytest.mark.slow
def test_a_copy_is_the_notebook_and_its_page_asks_no_server(ran):
    for name in NOTEBOOKS:
        book = json.loads((ran / f"{name}.ipynb").read_text(encoding="utf-8"))
        copied = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
        assert copied == [text.replace("STEPS = 200", "STEPS = 4") for text in cells(name)]
        page = (ran / f"{name}.html").read_text(encoding="utf-8")
        assert str(ROOT) not in page and not re.search(r"""(src|href)=["']https?://""", page)


@pytest.mark.slow
def test_with_a_bucket_the_dataset_is_staged(ran, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ran)
    staging = (*STORAGE, "if BUCKET:")
    with Emulator(tmp_path).serving() as emulator:
        emulator.store.create_bucket("mine")
        for variable, value in emulator.client_settings().items():
            monkeypatch.setenv(variable, value)
        run_cells("prepare_and_stage", *staging, BUCKET="gs://mine/data")
        there = set(emulator.store.buckets["mine"])
    files = {one.relative_to(ran / "work").as_posix() for one in (ran / "work/data").rglob("*.*")}
    assert "data/dataset.json" in there and there == {one for one in files if "/." not in one}
    assert "files uploaded" in capsys.readouterr().out


@pytest.mark.slow
def test_training_again_goes_on_where_it_was_and_then_has_nothing_to_do(ran, monkeypatch, capsys):
    monkeypatch.chdir(ran)
    shutil.copytree("work/run", "work/stopped")
    # As if its runtime had ended after step 4 of 6, with nothing written but a checkpoint.
    config = Path("work/stopped/config.yaml")
    text, changed = re.subn(r"(?m)^  steps: 4$", "  steps: 6", config.read_text("utf-8"))
    assert changed == 1
    config.write_text(text, "utf-8")
    shutil.rmtree("work/stopped/adapters")
    settings = [
        "--data.batch_size",
        32,
        "--data.lengths",
        "per_task",
        "--training.jit_compile",
        False,
    ]
    training = (*STORAGE, 'words = ["-m", "trainer"', "python(*words)")
    for said in ("going on from step 4\n", "going on from step 6, the last: nothing is left"):
        run_cells("train_on_tpu", *training, RUN="work/stopped", STEPS=6, SETTINGS=settings)
        printed = capsys.readouterr().out
        assert said in printed and "done: step 6" in printed
    assert (ran / "work" / "stopped" / "adapters").is_dir()
