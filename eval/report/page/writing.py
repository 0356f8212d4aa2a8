"""Writing a report as one HTML file that asks no server for anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.report.page.browser_data import gather_rows, to_json
from eval.report.page.curves import SERIES
from eval.report.page.report_data import Report, Score
from eval.report.page.strip import draw_strip, strip_ends
from eval.report.page.verdict import give_verdict, write_difference, write_score, write_trivial
from prep.inspection.templating import open_templates, read_style
from prep.storage.durable_files import write_atomically

_TEMPLATES = Path(__file__).parent / "templates"
_WAYS = {"head": "a head", "labels": "label words", "decoded": "decoding", "": "–"}


def write_page(file: Path, report: Report) -> Path:
    """Write a report.

    Args:
        file: To write; its folder is made if absent.
        report: What it says.

    Returns:
        The file.

    Raises:
        OSError: The disk refuses.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Half of a pair of surrogates, which JSON may hold and UTF-8 may not, is written as its number.
    write_atomically(file, render_page(report).encode("utf-8", "backslashreplace"))
    return file


def render_page(report: Report) -> str:
    """Render a report.

    Args:
        report: What it says.

    Returns:
        HTML; texts of examples, names and labels are escaped.
    """
    environment = open_templates(_TEMPLATES)
    environment.filters["drawn"] = Markup
    rows = (report.mean, *(task.main for task in report.tasks))
    ends = strip_ends([score for row in rows for score in row.scores])

    def strip(score: Score, series: str) -> Markup:
        return Markup(draw_strip(score, ends, series))

    return environment.get_template("report.html").render(
        report=report,
        style=read_style(_TEMPLATES / "report.css"),
        script=_read("browser.js"),
        data=Markup(to_json(gather_rows(report))),
        verdict=give_verdict(report),
        series=SERIES,
        strip=strip,
        write_score=write_score,
        write_trivial=write_trivial,
        signed=write_difference,
        ways=_WAYS,
        facts=[_facts(run.document) for run in report.runs],
        trained={
            task.name: shares
            for task in report.tasks
            if (shares := _trained(task.name, [run.document for run in report.runs]))
        },
    )


def _read(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _trained(task: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Say which share of the backbone's size trains for a task; empty of earlier files."""
    shares = [document.get("trained_shares", {}).get(task) for document in documents]
    return "" if None in shares else ", ".join(f"{share:.2%}" for share in shares)


def _facts(document: Mapping[str, Any]) -> Sequence[str]:
    """Say of a run which weights answered what, and how."""
    said = [f"{document.get('checkpoint', 'checkpoint')}, step {document.get('step', '?')}"]
    if "dataset" in document:
        said.append(f"dataset {document['dataset']}")
    decoding = document.get("decoding", {})
    said += [f"{name} {value}" for name, value in decoding.items()]
    return said
