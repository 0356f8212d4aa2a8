"""What TensorFlow's TPU wheel is told before it is imported, by each package that imports it."""

from pathlib import Path

import pytest

import adapters_tf.tpu_wheel
import prep.tpu_wheel

MODULES = (prep.tpu_wheel, adapters_tf.tpu_wheel)
VARIABLES = ("FORCE_TF_AVAILABLE", "TPU_LIBRARY_PATH")


@pytest.fixture(params=MODULES, ids=lambda module: module.__name__)
def wheel(request, tmp_path, monkeypatch):
    """One of the copies, on a machine without chips where pip lists the TPU wheel."""
    monkeypatch.setattr(request.param, "PCI_DEVICES", tmp_path / "pci")
    monkeypatch.setattr(request.param, "DEVICE_FILES", tmp_path / "dev")
    monkeypatch.setattr(request.param, "has_distribution", {"tensorflow-tpu"}.__contains__)
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "dev").mkdir()
    return request.param


def add_device(folder, vendor, device):
    place = folder / "pci" / f"0000:00:0{len(list(folder.glob('pci/*')))}.0"
    place.mkdir(parents=True)
    (place / "vendor").write_text(f"{vendor}\n")
    (place / "device").write_text(f"{device}\n")


def variables(wheel):
    wheel.prepare_tpu_wheel()
    return {name: wheel.os.environ.get(name) for name in VARIABLES}


def test_the_copies_are_the_same():
    ours, theirs = (Path(module.__file__).read_text(encoding="utf-8") for module in MODULES)
    assert ours == theirs.replace("`prep.tpu_wheel` has", "`adapters_tf.tpu_wheel` has")


def test_without_a_chip_libtpu_is_not_loaded(wheel):
    assert variables(wheel) == {
        "FORCE_TF_AVAILABLE": "1",
        "TPU_LIBRARY_PATH": wheel.NO_LIBRARY,
    }
    assert not Path(wheel.NO_LIBRARY).exists()


def test_with_a_chip_it_is(wheel, tmp_path):
    add_device(tmp_path, "0x1ae0", "0x0063")
    assert variables(wheel) == {"FORCE_TF_AVAILABLE": "1", "TPU_LIBRARY_PATH": None}


def test_what_the_environment_says_stays(wheel, monkeypatch):
    monkeypatch.setenv("FORCE_TF_AVAILABLE", "0")
    monkeypatch.setenv("TPU_LIBRARY_PATH", "/lib/libtpu.so")
    assert variables(wheel) == {"FORCE_TF_AVAILABLE": "0", "TPU_LIBRARY_PATH": "/lib/libtpu.so"}


def test_the_other_wheel_is_left_alone(wheel, monkeypatch):
    monkeypatch.setattr(wheel, "has_distribution", {"tensorflow"}.__contains__)
    assert variables(wheel) == {"FORCE_TF_AVAILABLE": None, "TPU_LIBRARY_PATH": None}


def test_chips_are_counted_and_network_cards_are_not(wheel, tmp_path):
    for device in ("0x0042", "0x0063", "0x0063"):
        add_device(tmp_path, "0x1ae0", device)
    add_device(tmp_path, "0x10de", "0x0063")
    (tmp_path / "pci" / "without-numbers").mkdir()
    assert wheel.list_chips() == ["v5e", "v5e"]


def test_device_files_tell_of_chips_where_the_bus_is_hidden(wheel, tmp_path):
    for name in ("accel0", "accel1", "accelerators"):
        (tmp_path / "dev" / name).touch()
    assert wheel.list_chips() == ["TPU", "TPU"]


def test_distributions_are_told():
    assert prep.tpu_wheel.has_distribution("numpy")
    assert not prep.tpu_wheel.has_distribution("no-such-distribution")
