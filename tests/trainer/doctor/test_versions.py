"""Versions that were not tried together."""

import re
from pathlib import Path

import pytest

from trainer.doctor.pins import OLD_PYTHON_PINS, PINS, TPU_PINS
from trainer.doctor.versions import check_versions

ROOT = Path(__file__).parents[3]


def pinned(file):
    """The versions of a file of requirements, by name; a name has one per Python it asks for."""
    pins = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)(?:\[[\w-]+\])?==([\w.]+)", line):
            pins.setdefault(match[1].lower(), set()).add(match[2])
    return pins


def test_the_pins_are_those_of_constraints():
    known = pinned("constraints.txt")
    for pins in (PINS, OLD_PYTHON_PINS):
        for name, version in pins.items():
            assert version in known[name], name


def test_the_pins_of_the_tpu_wheel_are_those_of_its_requirements():
    known = pinned("requirements-tpu.txt")
    for name, version in (TPU_PINS | PINS).items():
        if name != "tensorflow":
            assert known[name] == {version}, name
    assert "tensorflow" not in known


@pytest.mark.parametrize("is_tpu", (False, True))
def test_what_is_as_pinned_is_one_line(site, is_tpu):
    site.install_pins(is_tpu=is_tpu)
    [finding] = check_versions(is_tpu=is_tpu, python=(3, 11))
    assert finding.status == "ok" and "2.20.0" in finding.what


def test_python_3_10_has_pins_of_its_own(site):
    site.install_pins(python=(3, 10))
    [finding] = check_versions(is_tpu=False, python=(3, 10))
    assert finding.status == "ok"


@pytest.mark.parametrize(
    ("changes", "is_tpu", "status", "what"),
    [
        ({"transformers": "4.57.1"}, False, "warning", "4.57.1, expected 4.57.6"),
        ({"transformers": "5.0.0"}, False, "fault", "5.0.0, expected 4.57.6"),
        ({"tf_keras": "2.19.0"}, False, "fault", "2.19.0, expected 2.20.1"),
        ({"protobuf": "7.1.0"}, False, "fault", "7.1.0, expected 6.32.0"),
        ({"numpy": None}, False, "fault", "not installed, expected 2.2.6"),
        ({"libtpu": "0.0.30"}, True, "fault", "0.0.30, expected 0.0.14"),
        ({"tensorflow_tpu": "2.19.1"}, True, "fault", "2.19.1, expected 2.20.0"),
    ],
)
def test_another_version_is_named_with_its_mend(site, changes, is_tpu, status, what):
    site.install_pins(is_tpu=is_tpu, **changes)
    [finding] = check_versions(is_tpu=is_tpu, python=(3, 11))
    [name] = (name.replace("_", "-") for name in changes)
    assert (finding.status, finding.about, finding.what) == (status, name, what)
    assert f"pip install {'--no-deps ' * is_tpu}{name}==" in finding.mend


@pytest.mark.parametrize(("python", "is_tpu"), [((3, 13), False), ((3, 9), False), ((3, 10), True)])
def test_a_python_without_wheels_is_a_fault(site, python, is_tpu):
    site.install_pins(is_tpu=is_tpu, python=python)
    [finding] = check_versions(is_tpu=is_tpu, python=python)
    assert (finding.status, finding.about) == ("fault", "python")
    assert f"make {'tpu-' * is_tpu}setup PYTHON=python3.11" in finding.mend
