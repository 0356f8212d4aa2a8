"""Too little memory, shared memory or disk."""

from collections import namedtuple

import pytest

from trainer.doctor import machine
from trainer.doctor.machine import GIB, check_machine

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def have(tmp_path, monkeypatch):
    """Sets what is free, in bytes: of the machine, of its group, shared, and on the disk."""

    def set_free(memory=64 * GIB, group=None, shared=GIB, disk=100 * GIB):
        meminfo = tmp_path / "meminfo"
        meminfo.write_text(f"MemTotal: 9 kB\nMemAvailable:   {memory // 1024} kB\n")
        limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
        limit.write_text("max\n" if group is None else f"{group + GIB}\n")
        used.write_text(f"{GIB}\n")
        shm = tmp_path / "shm"
        shm.mkdir(exist_ok=True)
        monkeypatch.setattr(machine, "MEMINFO", meminfo)
        monkeypatch.setattr(machine, "LIMITS", ((limit, used),))
        monkeypatch.setattr(machine, "SHARED", shm)
        free = {shm: shared}
        monkeypatch.setattr(
            machine.shutil, "disk_usage", lambda place: Usage(0, 0, free.get(place, disk))
        )

    return set_free


def test_enough_of_everything(have, tmp_path):
    have()
    findings = check_machine(tmp_path / "runs" / "new")
    assert [one.status for one in findings] == ["ok"] * 3
    assert findings[0].what == "64.0 GiB free" and str(tmp_path) in findings[2].what


@pytest.mark.parametrize(
    ("free", "place", "status", "what"),
    [
        ({"memory": 2 * GIB}, 0, "warning", "2.0 GiB free"),
        ({"memory": GIB // 4}, 0, "fault", "256 MiB free"),
        ({"group": 3 * GIB}, 0, "warning", "3.0 GiB free"),
        ({"shared": 64 << 20}, 1, "warning", "64 MiB free in"),
        ({"disk": 5 * GIB}, 2, "warning", "5.0 GiB free at"),
        ({"disk": 1 << 20}, 2, "fault", "1 MiB free at"),
    ],
)
def test_too_little_is_told_with_a_mend(have, tmp_path, free, place, status, what):
    have(**free)
    finding = check_machine(tmp_path)[place]
    assert finding.status == status and finding.what.startswith(what) and finding.mend
