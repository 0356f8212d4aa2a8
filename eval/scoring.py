"""Scoring a run on a split: figures on the screen, a report in the run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from adapters_tf.errors import say_note
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runtime.strategy import hear_first
from adapters_tf.runtime.workers import Worker, read_worker
from eval.decoding.options import describe_decoding
from eval.evaluator import TaskResult
from eval.report.baselines import trivial_baseline
from eval.report.causal_qa import write_causal_qa
from eval.report.earlier import ReportedTask, keep_others
from eval.report.files import write_report
from eval.report.page.matrices import Matrix, show_similarity
from eval.report.page.report_data import Report, report_run
from eval.report.page.run_files import read_similarity
from eval.report.page.verdict import tell_few
from eval.report.page.writing import write_page
from eval.report.places import FIGURES, RUN_PAGE, dataset_digest, is_of_run, report_folder
from eval.report.scored_task import ScoredTask
from eval.report.standing import describe_weights
from eval.report.table import format_table
from eval.report.unfinished import UnfinishedAnswers
from eval.session import Session
from prep import TaskEntry, TokenTable, read_split
from prep.storage.locks import locked
from prep.tasks.metrics import resolve_metrics

BASELINE_SPLIT = "train"
_PATIENCE = 600  # seconds, for another evaluation to write its figures
_OF_THE_CALL = ("run", "replicas")  # which answers do not depend on


def score_run(
    session: Session,
    run: str,
    entries: Sequence[TaskEntry],
    split: str,
    *,
    checkpoint: str = "best",
    average: Sequence[str] = (),
    weights: Sequence[float] | None = None,
    causal_qa: Path | None = None,
) -> list[Path]:
    """Score tasks, print the table and write the report, beside what is there of other tasks.

    Args:
        session: The open run.
        run: The run folder, as a person named it.
        entries: The tasks.
        split: The split to score on.
        checkpoint: Which one the session was opened with.
        average: Adapters whose mean answers.
        weights: Theirs.
        causal_qa: A file to write in the shape of the causal-QA study; None: no such file.

    Returns:
        The files of the report; none of a worker that is not the chief, which writes none.
    """
    provenance = describe_source(session, run, checkpoint, average, weights)
    dataset, settings = session.dataset, session.run.settings
    scored_on = (dataset, session.manifest, split)
    here = session.run.directory
    folder = report_folder(here, settings, scored_on, entries, average)

    def _shown(place: Path) -> str:
        return str(place).replace(str(here), run.rstrip("/"), 1)

    if not is_of_run(settings, dataset, split, entries):
        what = f"{dataset} is not the dataset the run was trained on"
        say_note(f"{what}; its figures go to {_shown(folder)}")
    # Only now: with fewer metrics it would be another task.
    entries = [_judged(session, entry) for entry in entries]
    worker = read_worker()
    is_chief = worker is None or worker.is_chief
    if is_chief:
        print(_describe_scored(session, entries, checkpoint))
    unfinished = keep_answers(session, folder, split, provenance, worker)
    scored = [score_task(session, entry, split, unfinished) for entry in entries]
    if not is_chief:
        return []
    print(format_table(scored))
    if few := tell_few({task.entry.name: task.result.examples for task in scored}):
        print(few)
    files, kept = write_figures(session, folder, split, scored, provenance)
    alike = find_similarity(settings, [*(one.name for one in entries), *kept])
    report = report_run(run, here, folder, split, alike)
    files += write_pages(report, here, folder, split)
    unfinished.take_away()
    for file in files:
        print(f"wrote {_shown(file)}")
    if causal_qa is not None:
        write_causal_qa(causal_qa, scored[0], checkpoint)
        print(f"wrote {causal_qa}")
    return files


def _judged(session: Session, entry: TaskEntry) -> TaskEntry:
    """Leave out what the answers have no figure of, and say so."""
    judged = session.evaluator.judged(entry)
    left = [name for name in resolve_metrics(entry.metrics) if name not in judged.metrics]
    if judged is not entry:
        say_note(f"{entry.name}: free answers have no probabilities, so no {', '.join(left)}")
    return judged


def _describe_scored(session: Session, entries: Sequence[TaskEntry], checkpoint: str) -> str:
    run, names = session.run, [entry.name for entry in entries]
    own_steps = {name: run.step_of(name) for name in names}
    return describe_weights(run.directory, run.settings.training, checkpoint, run.step, own_steps)


def keep_answers(
    session: Session,
    folder: Path,
    split: str,
    provenance: Mapping[str, Any],
    worker: Worker | None,
) -> UnfinishedAnswers:
    """Keep answers as they come, for an evaluation that is killed; by the first of workers.

    Args:
        session: The open run.
        folder: Of the report.
        split: The split to score on.
        provenance: Where the figures come from.
        worker: This process, one of several, or None.

    Returns:
        What answers a table part by part.
    """
    question = {name: value for name, value in provenance.items() if name not in _OF_THE_CALL}
    answerer = session.evaluator.answerer
    if worker is None:
        return UnfinishedAnswers(folder, split, question, answerer.batch_size)
    return UnfinishedAnswers(
        folder,
        split,
        question,
        answerer.batch_size,
        is_keeper=worker.is_chief,
        hear=lambda content: hear_first(answerer.strategy, content),
    )


def write_figures(
    session: Session,
    folder: Path,
    split: str,
    scored: list[ScoredTask],
    provenance: Mapping[str, Any],
) -> tuple[list[Path], list[str]]:
    """Write figures and predictions, beside what an evaluation before found of other tasks.

    Args:
        session: The open run.
        folder: Of the report.
        split: That was scored.
        scored: The tasks.
        provenance: Where the figures come from.

    Returns:
        The files, and the names of the other tasks.

    Raises:
        DataError: Another evaluation has been writing there for minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [task.entry for task in scored]
    # An evaluation of other tasks may end at this moment: the later one keeps its figures.
    lock = folder / f".{split}.lock"
    with locked(lock, str(folder), say_note, writer="evaluation", patience=_PATIENCE):
        kept, lost = keep_others(folder, split, provenance, session.manifest, entries)
        for line in lost:
            say_note(line)
        kept = [_resample(session, task, split) for task in kept]
        names = [task.name for task in kept]
        if kept:
            others = ", ".join(names)
            print(f"beside them stays what was found of {others} with the same checkpoint")
        for pattern in (f".{split}.json.*.tmp", f".{split}.predictions.jsonl.*.tmp"):
            for leftover in folder.glob(pattern):  # of an evaluation that was killed
                leftover.unlink(missing_ok=True)
        tasks = session.run.settings.tasks
        files = write_report(folder, split, scored, session.vocabulary, provenance, kept, tasks)
    return files, names


def _resample(session: Session, task: ReportedTask, split: str) -> ReportedTask:
    """Resample what stays of an earlier evaluation: figures over tasks are of all of them."""
    entry, run = session.manifest.task(task.name), str(session.run.directory)
    table = read_split(session.dataset, session.manifest, task.name, split)
    return task.resample(entry, table, session.vocabulary, run)


def write_pages(report: Report, run: Path, folder: Path, split: str) -> list[Path]:
    """Write the page of a split, and where the figures are the run's own, `report.html` too.

    Args:
        report: What the page says.
        run: The run folder on this machine.
        folder: Of the figures.
        split: That was scored.

    Returns:
        The files: the page stays beside the split's figures, and the run's is of the last split.
    """
    pages = [folder / f"{split}.report.html"]
    if folder == run / FIGURES:
        pages.append(run / RUN_PAGE)
    return [write_page(page, report) for page in pages]


def describe_source(
    session: Session,
    run: str,
    checkpoint: str,
    average: Sequence[str],
    weights: Sequence[float] | None,
) -> dict[str, Any]:
    """Say where figures come from, for the file that they are written to.

    Args:
        session: The open run.
        run: The run folder, as a person named it.
        checkpoint: Which one the session was opened with.
        average: Adapters whose mean answers.
        weights: Theirs.

    Returns:
        What `<split>.json` has beside the figures.
    """
    answerer = session.evaluator.answerer
    return {
        "run": str(run),
        "checkpoint": checkpoint,
        **({"average": average, "weights": weights} if average else {}),
        "step": session.run.step,
        "checkpoint_digest": session.run.checkpoint_digest,
        **({"steps": dict(session.run.own_steps)} if session.run.own_steps else {}),
        "dataset": session.dataset,
        "dataset_digest": dataset_digest(session.manifest),
        "vocabulary_sha256": session.vocabulary.sha256,
        "input_length": answerer.input_length,
        "batch_size": answerer.batch_size,
        "replicas": answerer.strategy.num_replicas_in_sync,
        "trained_shares": session.run.model.trained_shares(),
        "decoding": describe_decoding(answerer.decoding),
    }


def find_similarity(settings: ResolvedRun, tasks: Sequence[str]) -> Matrix | None:
    """Find how alike tasks are, where the run's settings name a file of embeddings of two or more.

    Args:
        settings: The run's.
        tasks: Their names.

    Returns:
        The table; None where there is no such file here.
    """
    methods = settings.adapters.settings.values()
    named = [settings.adapters.nearest_by, *(one.get("task_embeddings", "") for one in methods)]
    for name in named:
        if name.endswith(".npz") and Path(name).is_file():
            alike, cosines = read_similarity(Path(name), tasks)
            if len(alike) > 1:
                return show_similarity(alike, cosines)
    return None


def score_task(
    session: Session, entry: TaskEntry, split: str, unfinished: UnfinishedAnswers
) -> ScoredTask:
    """Score one task, showing progress.

    Args:
        session: The open run.
        entry: The task.
        split: The split to score on.
        unfinished: Where answers are kept until all are there.

    Returns:
        The result, beside the trivial baseline's.
    """
    table = read_split(session.dataset, session.manifest, entry.name, split)
    length = session.evaluator.answerer.input_length
    lengths = table.text_lengths(entry.choices)
    cut = int((lengths > length).sum())
    if cut:
        say_note(f"{entry.name}: {cut} of {len(lengths)} inputs are cut to {length} tokens")
    result = evaluate_with_progress(session, entry, table, unfinished)
    baseline = None
    if BASELINE_SPLIT in entry.splits and entry.splits[BASELINE_SPLIT].examples:
        training = read_split(session.dataset, session.manifest, entry.name, BASELINE_SPLIT)
        baseline = trivial_baseline(entry, training, table, session.vocabulary)
    return ScoredTask(entry, table, result, baseline, session.manifest.task(entry.name))


def evaluate_with_progress(
    session: Session, entry: TaskEntry, table: TokenTable, unfinished: UnfinishedAnswers
) -> TaskResult:
    """Score one table, with a progress bar of its examples on a terminal."""
    answer = unfinished.answer_with(session.evaluator.answerer.answer)
    found = unfinished.found
    with tqdm(total=len(table), desc=entry.name, unit=" examples", disable=None) as bar:
        result = session.evaluator.evaluate(
            entry.name, table, lambda done: bar.update(done - bar.n), answer
        )
    if earlier := unfinished.found - found:
        say_note(f"{entry.name}: {earlier:,} answers are those of an evaluation that was ended")
    return result
