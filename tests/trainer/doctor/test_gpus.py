"""A GPU that is not there, not driven, hidden, or without CUDA."""

import pytest

from trainer.doctor.gpus import check_gpus


@pytest.fixture
def machine(tmp_path):
    """A file system with a GPU on the bus and its driver."""
    device = tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:00:04.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    return tmp_path


def check(machine, kind="auto", installed="9.3", is_tpu_wheel=False, is_used=False, **environment):
    return list(
        check_gpus(
            kind,
            environment,
            is_used=is_used,
            is_tpu_wheel=is_tpu_wheel,
            root=machine,
            installed=installed,
        )
    )


def test_one_that_is_seen_is_said(machine):
    (found,) = check(machine, is_used=True)
    assert (found.status, found.what) == ("ok", "TensorFlow sees it")


@pytest.mark.parametrize(("kind", "status"), [("auto", "ok"), ("gpu", "fault")])
def test_where_there_is_none(tmp_path, kind, status):
    (found,) = check(tmp_path, kind)
    assert (found.status, found.what) == (status, "none: no NVIDIA GPU on this bus")


def test_another_device_of_the_maker_is_no_gpu(machine):
    (machine / "dev" / "nvidia0").unlink()
    (file,) = machine.glob("sys/bus/pci/devices/*/class")
    file.write_text("0x020000\n")
    assert check(machine)[0].what.startswith("none: ")


@pytest.mark.parametrize(
    ("changes", "what", "mend"),
    [
        ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES='' hides it", "unset CUDA_VISI"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES='-1' hides", "unset CUDA_VISI"),
        ({"is_tpu_wheel": True}, "the wheel for TPUs", "make setup GPU=1"),
        ({"installed": ""}, "packages are not installed", "make setup GPU=1"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "an old driver", "nvidia-smi"),
    ],
)
@pytest.mark.parametrize(("kind", "status"), [("auto", "warning"), ("gpu", "fault")])
def test_why_it_is_not_seen(machine, kind, status, changes, what, mend):
    (found,) = check(machine, kind, **changes)
    assert found.status == status and what in found.what and mend in found.mend


def test_without_its_driver(machine):
    (machine / "dev" / "nvidia0").unlink()
    (found,) = check(machine)
    assert "no driver" in found.what and "install NVIDIA's driver" in found.mend


@pytest.mark.parametrize("kind", ["cpu", "tpu"])
def test_other_runs_are_not_told(machine, kind):
    assert check(machine, kind) == []
