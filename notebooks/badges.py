"""Puts "Open in Colab" badges into the notebooks, once the project has an address on GitHub.

    python -m notebooks.badges OWNER/NAME [--branch main]

The address also goes into each notebook's first cell, as what Colab clones. Run again, it replaces
what it wrote.
"""

import argparse
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
COLAB = "https://colab.research.google.com"


def main(argv: list[str]) -> None:
    """Write badges into the notebooks beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", metavar="OWNER/NAME")
    parser.add_argument("--branch", default="main")
    options = parser.parse_args(argv)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.repository):
        parser.error(f"OWNER/NAME of a repository on GitHub, not {options.repository!r}")
    for file in sorted(HERE.glob("*.ipynb")):
        text = file.read_text(encoding="utf-8")
        file.write_text(with_badge(text, file.name, options.repository, options.branch), "utf-8")
        print(f"{file.name}: opens in Colab from {options.repository}, {options.branch}")


def with_badge(text: str, name: str, repository: str, branch: str) -> str:
    """Put a badge below a notebook's title.

    Args:
        text: The notebook's file.
        name: The file's name.
        repository: `owner/name` on GitHub.
        branch: Of the repository.

    Returns:
        The file with the badge, and with what the first cell clones.
    """
    book = json.loads(text)
    address = f"{COLAB}/github/{repository}/blob/{branch}/notebooks/{name}"
    badge = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({address})"
    title, *rest = "".join(book["cells"][0]["source"]).split("\n\n")
    rest = [part for part in rest if not part.startswith("[![Open in Colab]")]
    book["cells"][0]["source"] = "\n\n".join([title, badge, *rest]).splitlines(keepends=True)
    first = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
    cloned = f'REPOSITORY = "https://github.com/{repository}"'
    first["source"] = [re.sub(r'^REPOSITORY = "[^"]*"', cloned, line) for line in first["source"]]
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
