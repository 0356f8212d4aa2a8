"""Runs the notebooks from top to bottom in a kernel of Jupyter's, and keeps copies with outputs.

    python -m notebooks.run OUT [--steps 200]

The copies are `OUT/<name>.ipynb`, and `OUT/<name>.html` to look at; what the notebooks make lies in
`OUT/work`. Needs requirements-dev.txt.
"""

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from adapters_tf.files.local_paths import typed_file

HERE = Path(__file__).parent
# Each begins where the one before it ended.
NOTEBOOKS = ("prepare_and_stage", "train_on_tpu", "evaluate_and_debug")
_STEPS = "STEPS = 200"
_FINDER = "here = Path.cwd()"  # of the project's code, which the copies do not lie in


def main() -> None:
    """Run all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=typed_file, help="local folder for the copies")
    parser.add_argument("--steps", type=int, default=200, help="of training")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in NOTEBOOKS:
        book = run(HERE / f"{name}.ipynb", options.out, options.steps)
        nbformat.write(book, options.out / f"{name}.ipynb")
        (options.out / f"{name}.html").write_text(as_page(book), encoding="utf-8")
        print(f"{name}: {sum(cell.cell_type == 'code' for cell in book.cells)} cells ran")


def run(file: Path, place: Path, steps: int) -> NotebookNode:
    """Run a notebook in a folder.

    Args:
        file: The notebook.
        place: Where it runs.
        steps: Of training.

    Returns:
        It with its outputs; its own cells as they are in the file.

    Raises:
        CellExecutionError: A cell raised an error.
    """
    book = nbformat.read(file, as_version=4)
    own = [cell.source for cell in book.cells]
    for cell in book.cells:
        cell.source = cell.source.replace(_STEPS, f"STEPS = {steps}")
        cell.source = cell.source.replace(_FINDER, f"here = Path({str(HERE)!r})")
    resources = {"metadata": {"path": str(place)}}
    NotebookClient(book, timeout=None, kernel_name="python3", resources=resources).execute()
    for cell, source in zip(book.cells, own, strict=True):
        cell.source = source.replace(_STEPS, f"STEPS = {steps}")
    return book


def as_page(book: NotebookNode) -> str:
    """Make a page of a notebook that asks no server for anything."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    return exporter.from_notebook_node(book)[0]


if __name__ == "__main__":
    main()
