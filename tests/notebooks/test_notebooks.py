"""The notebooks from top to bottom, on embedded tasks; nothing of a run is kept in them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
