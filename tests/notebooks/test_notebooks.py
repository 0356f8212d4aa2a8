"""The notebooks from top to bottom, on embedded tasks; nothing of a run is kept in them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ("prepare_and_stage", "train_on_tpu", "evaluate_and_debug")
# What a notebook shows is written down in place of being shown.
SHOWN = """
import sys, types
shown = []
display = types.ModuleType("IPython.display")
display.HTML = display.Image = lambda *data, **named: (data, named)
display.display = shown.append
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython.display"] = display
"""


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


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What each notebook printed, run in a folder one after the other."""
    place = tmp_path_factory.mktemp("notebooks")
    said = {}
    for name in NOTEBOOKS:
        code = "\n".join(cells(name)).replace("STEPS = 200", "STEPS = 4")
        code = code.replace("here = Path.cwd()", f"here = Path({str(ROOT / 'notebooks')!r})")
        script = place / f"{name}.py"
        script.write_text(SHOWN + code + "\nassert shown\n", encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", f"exec(open({str(script)!r}).read())"],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said[name] = done.stdout
    return said


@pytest.mark.slow
def test_they_run_from_top_to_bottom(ran):
    assert "dataset folder: work/data" in ran["prepare_and_stage"]
    assert "done: step 4" in ran["train_on_tpu"]
    assert "accuracy" in ran["evaluate_and_debug"] and "are wrong" in ran["evaluate_and_debug"]
