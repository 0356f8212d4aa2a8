"""How pages are made of templates: texts are escaped, and a name that is not there is an error."""

from pathlib import Path

import jinja2
from markupsafe import Markup

_SHARED = Path(__file__).parent / "templates"


def open_templates(folder: Path) -> jinja2.Environment:
    """Open a folder of templates.

    Args:
        folder: Of `.html`, `.css` and `.js` files.

    Returns:
        What renders them, with what all pages share as `shared/`.
    """
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.FileSystemLoader(folder),
                jinja2.PrefixLoader({"shared": jinja2.FileSystemLoader(_SHARED)}),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read_style(*files: Path) -> Markup:
    """Read the style that all pages share, and what a page has of its own after it.

    Args:
        files: CSS of the page.

    Returns:
        For a `<style>` element.
    """
    return Markup(
        "\n".join(file.read_text(encoding="utf-8") for file in (_SHARED / "look.css", *files))
    )


def name_dataset(directory: str) -> str:
    """Name a dataset after its folder.

    Args:
        directory: The folder, local or gs://, as a person typed it.

    Returns:
        The last part of its path; where that names nothing, such as "..", of what it stands for,
        and "data", as a quickstart has it, with the folder it lies in.
    """
    path = Path(directory)
    if path.name in ("", "..", "data"):
        path = path if "://" in directory else path.resolve()
        if path.name == "data" and path.parent.name:
            return f"{path.parent.name}/data"
    return path.name or directory
