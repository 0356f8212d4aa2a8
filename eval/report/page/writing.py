"""Writing a report as one HTML file that asks no server for anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.report.page.browser_data import gather_rows, to_json
from eval.report.page.curves import SERIES
from eval.report.page.report_data import Report, Score
from eval.report.page.run_files import RunFiles
from eval.report.page.strip import draw_strip, strip_ends
from eval.report.page.verdict import give_verdict, write_difference, write_score, write_trivial
from prep.inspection.templating import render_template, write_html

_TEMPLATES = Path(__file__).parent / "templates"
_CHOSEN_ON = "validation"  # the split by which training knows its best step
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
    return write_html(file, render_page(report))


def render_page(report: Report) -> str:
    """Render a report.

    Args:
        report: What it says.

    Returns:
        HTML; texts of examples, names and labels are escaped.
    """
    rows = (report.mean, *(task.main for task in report.tasks))
    ends = strip_ends([score for row in rows for score in row.scores])

    def strip(score: Score, series: str) -> Markup:
        return Markup(draw_strip(score, ends, series))

    return render_template(
        _TEMPLATES,
        "report",
        report=report,
        skip_to="browser",
        script=Markup((_TEMPLATES / "browser.js").read_text(encoding="utf-8")),
        data=Markup(to_json(gather_rows(report))),
        verdict=give_verdict(report),
        series=SERIES,
        strip=strip,
        write_score=write_score,
        write_trivial=write_trivial,
        signed=write_difference,
        ways=_WAYS,
        facts=[_facts(run) for run in report.runs],
        are_sure=[_has_confidences(run) for run in report.runs],
        trained={
            task.name: shares
            for task in report.tasks
            if (shares := _trained(task.name, [run.document for run in report.runs]))
        },
    )


def _has_confidences(run: RunFiles) -> bool:
    """Tell whether any answer came with probabilities, to put predictions in order by."""
    return any("probabilities" in line for lines in run.predictions.values() for line in lines)


def _trained(task: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Say which share of the backbone's size trains for a task; empty of earlier files."""
    shares = [document.get("trained_shares", {}).get(task) for document in documents]
    return "" if None in shares else ", ".join(f"{share:.2%}" for share in shares)


def _facts(run: RunFiles) -> Sequence[str]:
    """Say of a run which weights answered what, and how."""
    document = run.document
    said = [f"{document.get('checkpoint', 'checkpoint')}, step {document.get('step', '?')}"]
    looked_at = {one.get("step") for one in run.log if one.get("kind") == _CHOSEN_ON}
    was_chosen = document.get("checkpoint") == "best" and len(looked_at) > 1
    if was_chosen and document.get("split") == _CHOSEN_ON:
        said[0] += (
            f", the best of {len(looked_at)} on these very examples, which makes figures a little "
            "too good"
        )
    if "dataset" in document:
        said.append(f"dataset {document['dataset']}")
    decoding = document.get("decoding", {})
    said += [f"{name} {value}" for name, value in decoding.items()]
    return said
