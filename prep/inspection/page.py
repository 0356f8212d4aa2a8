"""Showing a person what is in a dataset folder, as one HTML file that needs nothing else."""

from pathlib import Path

from markupsafe import Markup

from prep.inspection.length_plots import plot_lengths
from prep.inspection.survey import SplitSurvey, Survey
from prep.inspection.templating import name_dataset, render_template, write_html
from prep.inspection.text import (
    describe_labels,
    describe_lengths,
    describe_losses,
    describe_mixture_rule,
    describe_only_task,
    describe_split_size,
    describe_task,
    describe_task_count,
)
from prep.inspection.verdict import give_verdict

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, survey: Survey) -> Path:
    """Write the page.

    Args:
        path: The file to write; its folder is made if absent.
        survey: What was found in the dataset folder.

    Returns:
        The path.

    Raises:
        OSError: If the disk refuses.
    """
    return write_html(path, render_page(survey))


def render_page(survey: Survey) -> str:
    """Render the page.

    Args:
        survey: What was found in the dataset folder.

    Returns:
        HTML.
    """
    manifest = survey.manifest

    def plots(split: SplitSurvey) -> list[tuple[str, str, Markup]]:
        """Draw each side; its name, what it says in words, and the picture if there is one."""
        drawn = (
            ("inputs", split.input_lengths, manifest.max_input_length),
            ("targets", split.target_lengths, manifest.max_target_length),
        )
        return [
            (name, describe_lengths(counts), Markup(plot_lengths(name, counts, limit)))
            for name, counts, limit in drawn
        ]

    places = {task.entry.name: f"task-{number}" for number, task in enumerate(survey.tasks, 1)}
    return render_template(
        _TEMPLATES,
        "inspection",
        survey=survey,
        name=name_dataset(survey.directory),
        skip_to=next(iter(places.values()), ""),
        places=places,
        verdict=give_verdict(survey),
        manifest=manifest,
        task_count=describe_task_count(manifest),
        mixture_rule=describe_mixture_rule(survey.mixture),
        largest_share=max((share.probability for share in survey.shares), default=1.0),
        describe_task=describe_task,
        describe_labels=describe_labels,
        describe_only_task=describe_only_task,
        describe_split_size=describe_split_size,
        describe_losses=describe_losses,
        plots=plots,
    )
