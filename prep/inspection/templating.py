"""How pages are made of templates: texts are escaped, and a name that is not there is an error."""

from pathlib import Path

import jinja2


def open_templates(folder: Path) -> jinja2.Environment:
    """Open a folder of templates.

    Args:
        folder: Of `.html`, `.css` and `.js` files.

    Returns:
        What renders them.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
