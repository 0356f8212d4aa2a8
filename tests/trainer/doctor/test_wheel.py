"""Two wheels that fill one folder."""

import importlib
import sys

import pytest

from trainer.doctor import wheel
from trainer.doctor.wheel import CPU_WHEEL, MARKS, TPU_WHEEL, check_wheel


@pytest.fixture(autouse=True)
def no_chips(monkeypatch):
    monkeypatch.setattr(wheel, "list_chips", list)


@pytest.mark.parametrize("name", (CPU_WHEEL, TPU_WHEEL))
def test_one_wheel_is_told_by_its_files(site, name):
    site.install_wheel(name)
    [finding] = check_wheel()
    assert (finding.status, finding.what) == ("ok", f"those of {name} 2.20.0")


def test_no_tensorflow_at_all(site):
    [finding] = check_wheel()
    assert (finding.status, finding.mend) == ("fault", "make setup")


@pytest.mark.parametrize(
    ("order", "status"), [((TPU_WHEEL, CPU_WHEEL), "fault"), ((CPU_WHEEL, TPU_WHEEL), "warning")]
)
def test_the_wheel_that_came_last_is_the_one_that_loads(site, order, status):
    for name in order:
        site.install_wheel(name)
    [finding] = check_wheel()
    assert finding.status == status
    assert finding.what.startswith(f"those of {order[1]} 2.20.0, and pip lists tensorflow and")
    assert "uninstall -y tensorflow tensorflow-tpu && " in finding.mend
    assert "--no-deps tensorflow-tpu==2.20.0 libtpu==0.0.14" in finding.mend


@pytest.mark.parametrize("names", ((TPU_WHEEL,), (CPU_WHEEL, TPU_WHEEL)))
def test_mixed_files_are_a_fault(site, names):
    for name in names:
        site.install_wheel(name)
    # Of the same size, as `_pywrap_tfe.so` is in both wheels.
    (site.folder / "tensorflow/python/_pywrap_tfe.so").write_bytes(b"x" * len(names[-1]))
    [finding] = check_wheel()
    assert finding.status == "fault" and "differ" in finding.what


def test_files_that_uninstalling_the_other_wheel_took_away(site):
    site.install_wheel(CPU_WHEEL)
    site.install_wheel(TPU_WHEEL)
    for mark in MARKS:
        (site.folder / mark).unlink()
    for file in (site.folder / "tensorflow-2.20.0.dist-info").iterdir():
        file.unlink()
    (site.folder / "tensorflow-2.20.0.dist-info").rmdir()
    [finding] = check_wheel()
    assert finding.status == "fault"
    assert f"not as tensorflow-tpu 2.20.0 installed them: {len(MARKS)} of" in finding.what


def test_a_folder_in_the_way_is_a_fault(site, tmp_path, monkeypatch):
    site.install_wheel(CPU_WHEEL)
    other = tmp_path / "here"
    (other / "tensorflow").mkdir(parents=True)
    (other / "tensorflow" / "__init__.py").touch()
    # Not by `syspath_prepend`, which would put the fixture's own path back for good.
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])
    importlib.invalidate_caches()
    _, finding = check_wheel()
    assert finding.status == "fault"
    assert finding.what.startswith(f"`import tensorflow` finds {other / 'tensorflow'}")


def test_chips_without_the_wheel_for_them(site, monkeypatch):
    site.install_wheel(CPU_WHEEL)
    monkeypatch.setattr(wheel, "list_chips", lambda: ["v5e"] * 8)
    _, finding = check_wheel()
    assert (finding.status, finding.mend) == ("fault", "make tpu-setup")
    assert "8 TPU chips (v5e)" in finding.what


@pytest.mark.parametrize(("chip", "said"), [("v6e", "JAX and PyTorch"), ("v7", "TPU7x")])
@pytest.mark.parametrize("name", (CPU_WHEEL, TPU_WHEEL))
def test_chips_that_tensorflow_does_not_reach(site, monkeypatch, name, chip, said):
    site.install_wheel(name)
    monkeypatch.setattr(wheel, "list_chips", lambda: [chip] * 8)
    _, finding = check_wheel()
    assert (finding.status, finding.about) == ("fault", "chips") and said in finding.what
    assert "v5e" in finding.mend
