"""What a TPU VM installs without its dependencies must be all of them, and no other version."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Of the TPU wheel, in place of `tensorflow`.
ONLY_TPU = {"tensorflow-tpu", "libtpu"}


def read(file):
    """The requirements of a file, by name; a name may be there once per Python."""
    found = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if re.match(r"\w", line):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


TPU = read("requirements-tpu.txt")


def version_of(requirement):
    [specifier] = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def test_a_tpu_vm_gets_the_versions_that_are_tested():
    tested = read("constraints.txt")
    for name in TPU.keys() - ONLY_TPU:
        [requirement] = TPU[name]
        assert version_of(requirement) in map(version_of, tested[name]), name
    wheel, tensorflow = TPU["tensorflow-tpu"][0], tested["tensorflow"][0]
    assert version_of(wheel) == version_of(tensorflow)


def test_a_tpu_vm_gets_all_that_is_asked_for_and_not_tensorflow():
    asked = {
        name
        for name, requirements in read("requirements.txt").items()
        for one in requirements
        if one.marker is None or one.marker.evaluate({"python_version": "3.11"})
    }
    assert asked - TPU.keys() == {"tensorflow"}


def test_nothing_that_a_tpu_vm_gets_asks_for_more():
    """By what the same versions ask for here; `tensorflow` stands for `tensorflow-tpu`."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.11"}
    linux |= {"platform_machine": "x86_64", "python_full_version": "3.11.9", "extra": ""}
    missing = {
        (name, asked.name)
        for name in (TPU.keys() - ONLY_TPU) | {"tensorflow"}
        for asked in map(Requirement, metadata.requires(name) or ())
        if asked.marker is None or asked.marker.evaluate(linux)
        if canonicalize_name(asked.name) not in TPU.keys() | {"tensorflow"}
    }
    assert missing == set()


def test_tensorboard_gets_the_setuptools_that_it_imports():
    """Its wheel asks for any, and imports pkg_resources, which the newest no longer have."""
    source = metadata.distribution("tensorboard").locate_file("tensorboard/default.py")
    assert "import pkg_resources" in Path(source).read_text(encoding="utf-8")
    for file in ("requirements.txt", "constraints.txt", "requirements-tpu.txt"):
        [requirement] = read(file)["setuptools"]
        assert int(version_of(requirement).split(".")[0]) < 81, file
