"""Site-packages that are not what they should be."""

import base64
import hashlib
import importlib
import sys

import pytest

from trainer.doctor.pins import pins_for
from trainer.doctor.wheel import MARKS


class Site:
    """A folder that pip might have filled: the distributions it lists, and TensorFlow's files."""

    def __init__(self, folder):
        self.folder = folder

    def list_distribution(self, name, version, files=None):
        """Lists a distribution, with the size and digest that its files had."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{info.name}/METADATA,,"]
        for file, content in (files or {}).items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            lines.append(f"{file},sha256={digest.decode()},{len(content)}")
        (info / "RECORD").write_text("\n".join([*lines, ""]))

    def install_wheel(self, name, version="2.20.0"):
        """Lists a wheel of TensorFlow and writes its files, over those of another."""
        files = {"tensorflow/__init__.py": b"", **{mark: name.encode() for mark in MARKS}}
        for file, content in files.items():
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / file).write_bytes(content)
        self.list_distribution(name, version, files)

    def install_pins(self, *, is_tpu=False, python=(3, 11), **changes):
        """Lists everything that belongs together, but for what the changes say."""
        for name, version in pins_for(is_tpu=is_tpu, python=python).items():
            found = changes.get(name.replace("-", "_"), version)
            if found is not None:
                self.list_distribution(name, found)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The only folder that Python looks for distributions in, for the time of a test."""
    site = Site(tmp_path / "site-packages")
    site.folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    importlib.invalidate_caches()
    return site
