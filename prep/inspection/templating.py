"""How pages are made of templates: texts are escaped, and a name that is not there is an error."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from prep.storage.durable_files import write_atomically
from prep.version import SAID

_PLAIN = ("data", "dataset")  # names of folders that tell nobody which
_SHARED = Path(__file__).parent / "templates"


def render_template(folder: Path, name: str, /, **values: Any) -> str:
    """Render a page in the frame that all pages share.

    Args:
        folder: Of the page's templates; what all pages share is `shared/` there.
        name: Of the page, `<name>.html`, and of the style that it has of its own, `<name>.css`.
        values: What the template asks for.

    Returns:
        HTML.
    """
    shared = jinja2.PrefixLoader({"shared": jinja2.FileSystemLoader(_SHARED)})
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder), shared]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles = (_SHARED / "look.css", folder / f"{name}.css")
    style = Markup("\n".join(file.read_text(encoding="utf-8") for file in styles))
    template = environment.get_template(f"{name}.html")
    return template.render(style=style, maker=SAID, **values)


def write_html(file: Path, page: str) -> Path:
    """Write a page.

    Args:
        file: To write; its folder is made if absent.
        page: HTML.

    Returns:
        The file.

    Raises:
        OSError: The disk refuses.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Half of a pair of surrogates, which JSON may hold and UTF-8 may not, is written as its number.
    write_atomically(file, page.encode("utf-8", "backslashreplace"))
    return file


def name_dataset(directory: str) -> str:
    """Name a dataset after its folder.

    Args:
        directory: The folder, local or gs://, as a person typed it.

    Returns:
        The last part of its path; where that names nothing, such as "..", of what it stands for,
        and "data" or "dataset", as a quickstart and the demo have it, with the folder it lies in.
    """
    path = Path(directory)
    if path.name in ("", "..", *_PLAIN):
        path = path if "://" in directory else path.resolve()
        if path.name in _PLAIN and path.parent.name:
            return f"{path.parent.name}/{path.name}"
    return path.name or directory
