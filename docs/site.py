"""Turns this repository into the pages of the site: a hook of mkdocs (mkdocs.yml names it).

The README is the first page, and CONTRIBUTING and CHANGELOG are pages as well. Links lead where
they lead in the repository: what lies outside of docs/ is shown on a page of its own. The
reference is made of what the packages offer, read from their source: nothing is imported.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
PACKAGES = ("prep", "adapters_tf", "eval", "trainer")
# Files of the repository that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
RAN = ROOT / "build"  # where `make notebooks` leaves notebooks/<name>.html, with what they showed
SHOWN = "repository"  # the folder of the site that has what else is linked
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    for package in PACKAGES:
        files.append(File.generated(config, f"api/{package}.md", content=reference(package)))
    for name in sorted(linked_files(files)):
        files.append(_shown(name, config))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let the links of a page lead where they lead in the repository."""
    origin = place_in_repository(page.file.src_uri)
    if origin is None:
        return markdown
    here = posixpath.dirname(page.file.src_uri)

    def lead(found: re.Match[str]) -> str:
        target = place_on_site(_join(origin, found["path"]))
        path = found["path"] if target is None else posixpath.relpath(target, here or ".")
        return path + (found["anchor"] or "")

    return _outside_of_code(markdown, lead)


def place_in_repository(page: str) -> str | None:
    """Say which file a page of the site is made of; None where it is made here."""
    for name, own in PAGES.items():
        if page == own:
            return name
    return None if page.startswith((f"{SHOWN}/", "api/")) else f"docs/{page}"


def place_on_site(name: str) -> str | None:
    """Say where the site has a file of the repository; None where there is no such file."""
    if name in PAGES:
        return PAGES[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if not (ROOT / name).is_file():
        return None
    if name.endswith(".ipynb"):
        page = name.replace(".ipynb", ".html")
        return f"{SHOWN}/{page if (RAN / page).is_file() else name}"
    return f"{SHOWN}/{name}.md"


def linked_files(files: Files) -> set[str]:
    """List what the pages link to and the site would lack."""
    linked = set()
    for file in files.documentation_pages():
        origin = place_in_repository(file.src_uri)
        if origin is not None:
            text = FENCED.sub("", file.content_string)
            linked |= {_join(origin, found["path"]) for found in LINK.finditer(text)}
    lacking = {name for name in linked if name not in PAGES and not name.startswith("docs/")}
    return {name for name in lacking if (ROOT / name).is_file()}


def reference(package: str) -> str:
    """Write the page of what a package and its rooms offer, each name once."""
    done: set[str] = set()
    parts = [f"# {package}\n"]
    for file in sorted((ROOT / package).rglob("__init__.py")):
        face = ".".join(file.parent.relative_to(ROOT).parts)
        names = [definition(face, name) for name in public_names(face)]
        if not names:
            continue
        said = (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split("\n\n")[0]
        parts.append(f"## from {face} import …\n\n{said}\n")
        for place in names:
            # A name that a room and its package offer is described once, with a link from here.
            name = place.rpartition(".")[2]
            parts.append(f"- [`{name}`][{place}]\n" if place in done else f"::: {place}\n")
            done.add(place)
    return "\n".join(parts)


def public_names(face: str) -> list[str]:
    """List what a package offers: its `__all__`, or that of its stub."""
    for node in _statements(face):
        is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if is_list and isinstance(node.value, ast.List):
            return list(ast.literal_eval(node.value))
    return []


def definition(module: str, name: str) -> str:
    """Find where a name is defined that a module offers.

    Raises:
        ValueError: Neither the module nor what it imports defines it.
    """
    for node in _statements(module):
        if isinstance(node, ast.ImportFrom) and name in {one.name for one in node.names}:
            origin = node.module or ""
            return definition(f"{module}.{origin}" if node.level else origin, name)
        if name in set(_names_of(node)):
            return f"{module}.{name}"
    raise ValueError(f"{module}: {name!r} is public, and defined nowhere that it imports from")


def _names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (one.id for one in node.targets if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _statements(module: str) -> list[ast.stmt]:
    """Read a module's statements, and those under `if TYPE_CHECKING`; a stub comes first."""
    path = ROOT.joinpath(*module.split("."))
    choices = (path / "__init__.pyi", path / "__init__.py", path.with_suffix(".py"))
    file = next(one for one in choices if one.is_file())
    body = ast.parse(file.read_text("utf-8")).body
    return [inner for node in body for inner in (node.body if isinstance(node, ast.If) else [node])]


def _shown(name: str, config: Any) -> File:
    path = ROOT / name
    place = place_on_site(name)
    if path.suffix == ".ipynb":
        shown = (
            path if place.endswith(path.name) else RAN / path.relative_to(ROOT).with_suffix(".html")
        )
        return File.generated(config, place, content=shown.read_bytes())
    beside = InclusionLevel.NOT_IN_NAV
    language = {".yaml": "yaml", ".py": "python", ".toml": "toml"}.get(path.suffix, "text")
    page = f"# {name}\n\n```{language}\n{path.read_text('utf-8')}\n```\n"
    return File.generated(config, place, content=page, inclusion=beside)


def _join(origin: str, path: str) -> str:
    return posixpath.normpath(str(PurePosixPath(origin).parent / path))


def _outside_of_code(markdown: str, lead: Any) -> str:
    """Change links where they are links: fenced blocks stay as they are."""
    parts, end = [], 0
    for block in FENCED.finditer(markdown):
        parts += [LINK.sub(lead, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, LINK.sub(lead, markdown[end:])])
