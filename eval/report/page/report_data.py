"""What a report says, as plain records: nothing here is HTML, and nothing is left to work out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics.intervals import tell_unvaried
from eval.report.comparison import mcnemar_test
from eval.report.page.calibration import bin_confidences, draw_calibration
from eval.report.page.curves import SERIES, draw_curves, unit_of_loss
from eval.report.page.examples import ExampleList, choose_examples
from eval.report.page.judging import LABELS, NUMBERS, TEXTS, Judged, judge, read_numbers
from eval.report.page.lengths import bin_lengths, draw_lengths
from eval.report.page.matrices import Matrix, count_confusions, list_confusions, say_confusions
from eval.report.page.run_files import RunFiles, name_runs, read_run_files
from eval.report.page.scatter import draw_scatter
from eval.report.page.svg import Picture
from prep.inspection.templating import name_dataset
from prep.tasks.metrics import LESS_IS_BETTER

_MANY_LABELS = 10  # from so many on, the pairs that are confused most are listed too
_MEASURES = {LABELS: "share right", TEXTS: "F1 of words", NUMBERS: "absolute error"}


@dataclass(frozen=True)
class Score:
    """A figure of one run.

    Attributes:
        value: The figure.
        low: Of its 95 % interval; None: unknown.
        high: The same.
        baseline: Of the trivial answer; None: unknown.
    """

    value: float
    low: float | None
    high: float | None
    baseline: float | None

    @property
    def is_above_baseline(self) -> bool | None:
        """Whether it is clearly better than the trivial answer; None where that is unknown."""
        if self.baseline is None or self.low is None:
            return None
        return self.low > self.baseline


@dataclass(frozen=True)
class MetricRow:
    """A figure of all runs.

    Attributes:
        metric: Its name.
        scores: One per run.
        is_error: Whether less is better.
    """

    metric: str
    scores: tuple[Score, ...]
    is_error: bool

    @property
    def difference(self) -> float | None:
        """The second run's less the first one's; None of one run."""
        return self.scores[1].value - self.scores[0].value if len(self.scores) > 1 else None


@dataclass(frozen=True)
class TaskRun:
    """What one run did on a task.

    Attributes:
        judged: Its answers.
        answered_by: A head, label words, or decoding; empty where an earlier version did not say.
        unreadable: How many answers were of no use.
        pictures: Drawn of its answers.
        matrices: Counted of them.
        examples: Worth reading.
        notes: What a reader has to know.
    """

    judged: Judged
    answered_by: str
    unreadable: int
    pictures: tuple[Picture, ...]
    matrices: tuple[Matrix, ...]
    examples: tuple[ExampleList, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TaskReport:
    """A task in all runs.

    Attributes:
        name: The task.
        kind: Of task.
        examples: How many were scored.
        rows: Figures, the main one first.
        curves: Of training.
        runs: Each run's answers.
        alone: How many answers are right in the first run alone and in the second; None of one run.
        p_value: Of McNemar's exact test on these, of label words; else None.
    """

    name: str
    kind: str
    examples: int
    rows: tuple[MetricRow, ...]
    curves: tuple[Picture, ...]
    runs: tuple[TaskRun, ...]
    alone: tuple[int, int] | None = None
    p_value: float | None = None

    @property
    def main(self) -> MetricRow:
        """The main figure."""
        return self.rows[0]


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes:
        split: That was scored.
        runs: Files of each, one or two.
        names: Of the runs, to be shown.
        mean: Of the main figures, each run's.
        tasks: In their order.
        similarity: Of the tasks, where there are embeddings.
    """

    split: str
    runs: tuple[RunFiles, ...]
    names: tuple[str, ...]
    mean: MetricRow
    tasks: tuple[TaskReport, ...]
    similarity: Matrix | None = None

    @property
    def title(self) -> str:
        """The datasets' names, where the figures tell them, then runs and split."""
        known = [run.document["dataset"] for run in self.runs if "dataset" in run.document]
        datasets = dict.fromkeys(map(name_dataset, known))
        parts = (" and ".join(names) for names in (datasets, self.names) if names)
        return f"{': '.join(parts)}, {self.split}"


def report_run(
    name: str, run: Path, folder: Path, split: str, similarity: Matrix | None = None
) -> Report:
    """Read a run that was scored, and gather what a report says of it.

    Args:
        name: As a person typed it.
        run: The run folder on this machine.
        folder: Of the figures.
        split: That was scored.
        similarity: Of its tasks, where there are embeddings.

    Returns:
        The report.
    """
    files = read_run_files(name, run, folder, split)
    return gather_report([files], name_runs([name]), (), similarity)


def gather_report(
    runs: Sequence[RunFiles],
    names: Sequence[str],
    tasks: Sequence[str] = (),
    similarity: Matrix | None = None,
) -> Report:
    """Gather what a report says.

    Args:
        runs: One, or two that were scored on the same examples.
        names: Of the runs, to be shown.
        tasks: That all runs have; by default the first one's.
        similarity: Of the tasks, where there are embeddings.

    Returns:
        The report.
    """
    chosen = tasks or list(runs[0].document["tasks"])
    reports = tuple(_gather_task(task, runs) for task in chosen)
    means = []
    for number, run in enumerate(runs):
        is_whole = len(chosen) == len(run.document["tasks"])
        interval = run.document.get("intervals", {}).get("mean", {}) if is_whole else {}
        means.append(_mean([task.main.scores[number] for task in reports], interval))
    row = MetricRow("mean", tuple(means), False)
    split = runs[0].document["split"]
    return Report(split, tuple(runs), tuple(names), row, reports, similarity)


def _mean(scores: Sequence[Score], interval: Mapping[str, float]) -> Score:
    """Take the mean of tasks' figures, and of their trivial answers' where all are known."""
    baselines = [score.baseline for score in scores if score.baseline is not None]
    return Score(
        float(np.mean([score.value for score in scores])),
        interval.get("low"),
        interval.get("high"),
        float(np.mean(baselines)) if len(baselines) == len(scores) else None,
    )


def _gather_task(task: str, runs: Sequence[RunFiles]) -> TaskReport:
    figures = [run.document["tasks"][task] for run in runs]
    metrics = [
        name for name in figures[0]["metrics"] if all(name in of["metrics"] for of in figures)
    ]
    rows = tuple(
        MetricRow(name, tuple(_score(of, name) for of in figures), name in LESS_IS_BETTER)
        for name in metrics
    )
    done = tuple(
        _gather_run(of, run.predictions[task], series)
        for of, run, series in zip(figures, runs, SERIES, strict=False)
    )
    unit = unit_of_loss((of.get("answered_by", ""), of["kind"]) for of in figures)
    curves = tuple(draw_curves(task, metrics[0], [run.log for run in runs], unit))
    report = TaskReport(task, figures[0]["kind"], figures[0]["examples"], rows, curves, done)
    if len(done) < 2:
        return report
    p_value, alone = mcnemar_test(*(one.judged.is_right for one in done))
    is_of_labels = done[0].judged.form == LABELS
    return replace(report, alone=alone, p_value=p_value if is_of_labels else None)


def _score(figures: Mapping[str, Any], metric: str) -> Score:
    interval = figures.get("intervals", {}).get(metric, {})
    baseline = (figures.get("trivial_baseline") or {}).get(metric)
    return Score(figures["metrics"][metric], interval.get("low"), interval.get("high"), baseline)


def _gather_run(
    figures: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], series: str
) -> TaskRun:
    judged = judge(figures, lines)
    pictures, matrices = _draw(judged, series)
    return TaskRun(
        judged,
        figures.get("answered_by", ""),
        figures["unreadable_predictions"],
        tuple(pictures),
        tuple(matrices),
        tuple(choose_examples(judged)),
        tuple(_notes(figures, judged)),
    )


def _draw(judged: Judged, series: str) -> tuple[list[Picture], list[Matrix]]:
    pictures, matrices = [], []
    if judged.form == LABELS:
        targets = [line["target"] for line in judged.lines]
        given = [line["prediction"] for line in judged.lines]
        if said := say_confusions(targets, given):
            pictures.append(Picture("Confusions", "", said))
        else:
            matrices.append(count_confusions(targets, given, judged.label_words))
        if matrices and len(judged.label_words) > _MANY_LABELS:
            confused = list_confusions(targets, given)
            rows = tuple((*pair, f"{count:,}") for *pair, count in confused)
            if rows:
                heading = ("right", "given", "times")
                pictures.append(Picture("Confused most often", "", "", heading, rows))
    if judged.form == NUMBERS:
        targets_N, given_N = (read_numbers(judged.lines, one) for one in ("target", "prediction"))
        pictures.append(draw_scatter(targets_N, given_N, series))
    if judged.has_confidences:
        bins = bin_confidences(judged.confidences, judged.is_right)
        pictures.append(draw_calibration(bins, series))
    lengths = np.array([len(line["input"]) for line in judged.lines])
    bins_of_length = bin_lengths(lengths, judged.quality)
    is_share = judged.form != NUMBERS
    pictures.append(draw_lengths(bins_of_length, _MEASURES[judged.form], is_share, series))
    return pictures, matrices


def _notes(figures: Mapping[str, Any], judged: Judged) -> list[str]:
    notes = [f"{name} cannot judge: {why}" for name, why in figures.get("unjudged", {}).items()]
    if unvaried := figures.get("unvaried"):
        notes.append(tell_unvaried(unvaried, next(iter(unvaried.values()))))
    if count := figures["unreadable_predictions"]:
        rule = "−1" if judged.form == NUMBERS else "wrong"
        notes.append(f"{count:,} answers could not be read; each counts as {rule}")
    if count := figures.get("truncated_targets", 0):
        notes.append(f"{count:,} right answers are compared as they were cut")
    if judged.form == NUMBERS:
        spread = float(np.std(read_numbers(judged.lines, "target")))
        notes.append(
            f"an answer is called right where it is no further off than {spread:.3g}, the standard "
            "deviation of the right ones"
        )
    return [*notes, *([judged.note] if judged.note else [])]
