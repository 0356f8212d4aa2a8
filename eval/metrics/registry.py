"""Metrics: functions of targets and predictions, all from 0 (or −1) to 1, and their registry.

Answers come as `eval.metrics.reading` reads them: label indices (−1: not a label), numbers, or
texts. Adding a metric takes one function here, one line in `METRICS` and one test.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from eval.metrics.answers import Answers
from eval.metrics.corpus import bleu, bleu_signature, bleu_words, chrf, chrf_signature
from eval.metrics.edits import edit_distance, edit_similarity
from eval.metrics.labels import (
    accuracy,
    find_absent_classes,
    group_exact_match,
    is_constant,
    make_label_metrics,
    matthews,
)
from eval.metrics.metric import Metric
from eval.metrics.numbers import mae, mse, pearson, r2, rmse, spearman
from eval.metrics.probabilities import brier, calibration_error, log_loss, roc_auc
from eval.metrics.rouge import make_rouge_metrics, rouge_words
from eval.metrics.texts import squad_em, squad_f1, trivia_em, trivia_f1
from eval.metrics.tokenizers import are_unspaced
from prep import TaskEntry, UsageError
from prep.tasks.metrics import METRICS as KNOWN
from prep.tasks.metrics import OF_PROBABILITIES, answer_form, resolve_metrics, suggest_metric
from prep.tasks.metrics import check_metrics as check_forms

METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "exact_match": accuracy,  # of texts: equal to a right answer to the last character
    "group_exact_match": group_exact_match,
    **make_label_metrics(),
    "matthews": matthews,
    "log_loss": log_loss,
    "brier": brier,
    "calibration_error": calibration_error,
    "roc_auc": roc_auc,
    "pearson": pearson,
    "spearman": spearman,
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
    "r2": r2,
    "bleu": bleu,
    "chrf": chrf,
    **make_rouge_metrics(),
    "squad_em": squad_em,
    "squad_f1": squad_f1,
    "trivia_em": trivia_em,
    "trivia_f1": trivia_f1,
    "edit_distance": edit_distance,
    "edit_similarity": edit_similarity,
}

# Which words a metric counts, where that depends on the script of the texts.
WORDS: Mapping[str, Callable[[Answers], str]] = {
    "bleu": bleu_words,
    **{
        name: functools.partial(rouge_words, stems="unstemmed" not in name)
        for name in make_rouge_metrics()
    },
}
SIGNATURES: Mapping[str, Callable[[Answers], str]] = {
    "bleu": bleu_signature,
    "chrf": chrf_signature,
}
_OF_SPREAD = ("matthews", "pearson", "spearman", "r2", "roc_auc")
_BY_ANSWERABILITY = ("exact_match", "squad_em", "squad_f1")
PARTS = ("has_answer", "no_answer")


def check_metrics(entries: Iterable[TaskEntry]) -> None:
    """Refuse tasks whose metrics cannot be computed, before the work begins.

    Args:
        entries: The tasks.

    Raises:
        UsageError: It names the task, the metric and the nearest one there is.
    """
    for entry in entries:
        check_names(entry.metrics, f"task {entry.name!r}: ")
        form = answer_form(entry.kind, bool(entry.label_words))
        # A program of one's own may have registered others.
        names = [name for name in resolve_metrics(entry.metrics) if name in KNOWN]
        check_forms(names or entry.metrics, form, None, f"task {entry.name!r}")


def check_names(names: Iterable[str], where: str = "") -> None:
    """Refuse an unknown metric.

    Args:
        names: Of metrics.
        where: What the message begins with.

    Raises:
        UsageError: It names the nearest one there is.
    """
    for name in resolve_metrics(names):
        if name not in METRICS:
            hint = suggest_metric(name, METRICS)
            raise UsageError(f"{where}there is no metric {name!r}; {hint}")


def judged_entry(entry: TaskEntry, has_probabilities: bool) -> TaskEntry:
    """Leave out the metrics that answers without probabilities of label words do not have.

    Args:
        entry: The task.
        has_probabilities: Whether its answers come with them.

    Returns:
        The task, with the metrics that can be computed.

    Raises:
        UsageError: There is none left.
    """
    metrics = resolve_metrics(entry.metrics)
    left = tuple(name for name in metrics if name not in OF_PROBABILITIES)
    if has_probabilities or len(left) == len(metrics):
        return entry
    if not left:
        raise UsageError(
            f"task {entry.name!r}: {', '.join(metrics)} need probabilities of label words, and "
            "free answers have none; leave --free-answers out"
        )
    return replace(entry, metrics=left)


def mean_of_main_metrics(scored: Iterable[Mapping[str, float]]) -> float:
    """Average the main metric of several tasks, each counting the same.

    Args:
        scored: Figures of each task by metric name, the main one first.

    Returns:
        The mean.
    """
    main = [next(iter(metrics.values())) for metrics in scored]
    return sum(main) / len(main)


def score(names: Sequence[str], answers: Answers) -> dict[str, float]:
    """Compute metrics by name.

    Args:
        names: Of `METRICS`, or aliases.
        answers: Right and given ones.

    Returns:
        Figures by metric name, in the order of `names`; then, of a task that has examples without
        an answer, SQuAD's metrics of those with one ("squad_f1_has_answer") and of those without
        ("squad_f1_no_answer").

    Raises:
        UsageError: A metric is unknown, or needs groups and has none.
    """
    check_names(names)
    return {
        name: METRICS[metric](answers if part is None else answers.only(part))
        for name, metric, part in list_figures(names, answers)
    }


def list_figures(
    names: Sequence[str], answers: Answers
) -> list[tuple[str, str, np.ndarray | None]]:
    """List the figures that metrics give.

    Args:
        names: Of `METRICS`, or aliases.
        answers: Right and given ones.

    Returns:
        Name of the figure, name of the metric, and the examples it is of, as bool [examples];
        None: all of them.
    """
    metrics = resolve_metrics(names)
    figures: list[tuple[str, str, np.ndarray | None]] = [(name, name, None) for name in metrics]
    if answers.no_answer:
        have = answers.have_answer
        figures += [
            (f"{name}_{part}", name, chosen)
            for name in metrics
            if name in _BY_ANSWERABILITY
            for part, chosen in zip(PARTS, (have, ~have), strict=True)
            if chosen.any()
        ]
    return figures


def name_words(names: Sequence[str], answers: Answers) -> dict[str, str]:
    """Name the words that metrics of texts count, which depend on language and script.

    Args:
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Names of tokenizers by metric name; nothing for metrics that count no words.
    """
    return {name: WORDS[name](answers) for name in resolve_metrics(names) if name in WORDS}


def sign_figures(names: Sequence[str], answers: Answers) -> dict[str, str]:
    """Give sacreBLEU's signatures, which tell how a figure was computed.

    Args:
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Signatures by metric name.
    """
    return {
        name: SIGNATURES[name](answers) for name in resolve_metrics(names) if name in SIGNATURES
    }


def find_unjudged(names: Sequence[str], answers: Answers) -> dict[str, str]:
    """Find the metrics that cannot judge, and whose figures are set by rule.

    Args:
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Why, by metric name.
    """
    metrics = resolve_metrics(names)
    if isinstance(answers.targets[0], str):
        by_blanks = ("squad_f1", "trivia_f1")
        if not (set(by_blanks) & set(metrics) and are_unspaced(answers.targets)):
            return {}
        why = "these texts have no blanks between words, and each counts as one word"
        return {name: why for name in metrics if name in by_blanks}
    return _find_constant(metrics, answers) | find_absent_classes(metrics, answers)


def _find_constant(names: Sequence[str], answers: Answers) -> dict[str, str]:
    for values, whose in ((answers.targets, "right"), (answers.predictions, "given")):
        if is_constant(values):
            why = f"all {whose} answers are the same"
            spread = [name for name in names if name in _OF_SPREAD]
            # A constant answer can be judged by what is about numbers or probabilities.
            by_both = ("matthews", "pearson", "spearman")
            return {name: why for name in spread if whose == "right" or name in by_both}
    return {}
