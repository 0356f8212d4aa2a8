"""The site: links lead somewhere, every public name is in it, it asks no server for anything."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_public_names import FACES, is_described_elsewhere, public_names

pytest.importorskip("mkdocs", reason="what makes the site needs Python 3.11")

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc="?(?:https?:)?//|@import|url\(["']?http"""
    r"""|<link[^>]*rel="?(?:stylesheet|preconnect|preload)[^>]*href="?(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("site_of_docs", ROOT / "docs" / "site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(root, site):
    """Builds strictly, as `make docs` does; a process, for mkdocs warns of what is not ours."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site]
    environment = {"NO_MKDOCS_2_WARNING": "1", "PATH": ""}
    return subprocess.run(
        words, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_asks_no_server_for_anything(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in [*pages, *site.rglob("*.css")]:
        text = page.read_text("utf-8")
        found = FETCHED.search(text)
        assert found is None, (page.relative_to(site), found[0])


def test_pages_lead_to_files_outside_of_docs(site):
    text = (site / "tpu.html").read_text("utf-8")
    assert 'href="repository/requirements-tpu.txt.html"' in text
    shown = (site / "repository" / "requirements-tpu.txt.html").read_text("utf-8")
    assert "libtpu" in shown
    assert 'href="architecture.html"' in (site / "contributing.html").read_text("utf-8")


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_in_the_reference(site, hook, face):
    page = (site / "api" / f"{face.partition('.')[0]}.html").read_text("utf-8")
    headings = set(re.findall(r'<h3 id="?([\w.]+)"?', page))
    for name, value in public_names(face).items():
        place = hook.definition(face, name)
        assert place in headings, f"{face}.{name} is not in the reference"
        if not is_described_elsewhere(value):
            assert place == f"{value.__module__}.{value.__qualname__}"


def test_notebooks_that_ran_are_shown_with_their_outputs(hook, tmp_path, monkeypatch):
    monkeypatch.setattr(hook, "RAN", tmp_path)
    name = "notebooks/train_on_tpu.ipynb"
    assert hook.place_on_site(name) == f"repository/{name}"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "train_on_tpu.html").write_text("step 200")
    assert hook.place_on_site(name) == "repository/notebooks/train_on_tpu.html"


def small_site(folder, page):
    """Write what a site of one page is made of; all else is as the real one's."""
    (folder / "docs").mkdir()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/b.md"):
        (folder / name).write_text(f"# {name}\n")
    (folder / "docs" / "a.md").write_text(f"# a\n\n{page}\n")
    shutil.copy(ROOT / "docs" / "site.py", folder / "docs")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[0]
    (folder / "mkdocs.yml").write_text(settings + "\n")


@pytest.mark.parametrize("has_run", (True, False))
def test_the_site_has_what_a_notebook_showed(tmp_path, has_run):
    small_site(tmp_path, "[run it](../notebooks/one.ipynb)")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "one.ipynb").write_text('{"cells": []}')
    if has_run:  # as `make notebooks` leaves it
        (tmp_path / "build" / "notebooks").mkdir(parents=True)
        (tmp_path / "build" / "notebooks" / "one.html").write_text("<p>step 200</p>")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    name, content = ("one.html", "<p>step 200</p>") if has_run else ("one.ipynb", '{"cells": []}')
    assert f'href="repository/notebooks/{name}"' in (tmp_path / "site" / "a.html").read_text()
    shown = list((tmp_path / "site" / "repository" / "notebooks").iterdir())
    assert [(one.name, one.read_text()) for one in shown] == [(name, content)]


def test_the_copies_lie_where_the_site_looks_for_them(hook):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"-m notebooks.run {(hook.RAN / 'notebooks').relative_to(ROOT)}\n" in makefile
    assert (hook.RAN / "site").relative_to(ROOT).as_posix() in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("[there](nowhere.md)", "nowhere.md"),
        ("[there](../configs/nothing.yaml)", "nothing.yaml"),
        ("[there](b.md#no-such-heading)", "no-such-heading"),
        ("[there](b.md)\n\n```\n[not](a-link.md)\n```\n", None),
    ],
)
def test_a_broken_link_fails(tmp_path, page, problem):
    small_site(tmp_path, page)
    done = build(tmp_path, tmp_path / "site")
    assert (done.returncode == 0) == (problem is None), done.stderr
    assert problem is None or problem in done.stderr
