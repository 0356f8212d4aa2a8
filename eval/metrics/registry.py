"""Metrics: functions of targets and predictions, all from 0 (or −1) to 1, and their registry.

Answers come as `eval.metrics.reading` reads them: label indices (−1: not a label), numbers, or
texts. Adding a metric takes one function here, one line in `METRICS` and one test.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from eval.metrics.answers import Answers, Metric
from eval.metrics.labels import accuracy, f1, group_exact_match, matthews
from eval.metrics.numbers import pearson, spearman
from eval.metrics.texts import bleu, bleu_words, rouge_l, rouge_words, squad_em, squad_f1
from prep import TaskEntry, UsageError, nearest
from prep.tasks.metrics import answer_form
from prep.tasks.metrics import check_metrics as check_forms

METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "exact_match": accuracy,  # of texts: equal to a right answer to the last character
    "group_exact_match": group_exact_match,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "bleu": bleu,
    "rouge_l": rouge_l,
    "squad_em": squad_em,
    "squad_f1": squad_f1,
}

# Which words a metric counts, where that depends on the script of the texts.
WORDS: Mapping[str, Callable[[Answers], str]] = {"bleu": bleu_words, "rouge_l": rouge_words}
_BY_ANSWERABILITY = ("exact_match", "squad_em", "squad_f1")


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
        check_forms(entry.metrics, form, None, f"task {entry.name!r}")


def check_names(names: Iterable[str], where: str = "") -> None:
    """Refuse an unknown metric.

    Args:
        names: Of metrics.
        where: What the message begins with.

    Raises:
        UsageError: It names the nearest one there is.
    """
    for name in names:
        if name not in METRICS:
            raise UsageError(f"{where}there is no metric {name!r}; {nearest(name, METRICS)}")


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
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Figures by metric name, in the order of `names`; then, of a task that has examples without
        an answer, SQuAD's metrics of those with one ("squad_f1_has_answer") and of those without
        ("squad_f1_no_answer").

    Raises:
        UsageError: A metric is unknown, or needs groups and has none.
    """
    check_names(names)
    figures = {name: METRICS[name](answers) for name in names}
    if answers.no_answer:
        have = answers.have_answer
        parts = {"has_answer": answers.only(have), "no_answer": answers.only(~have)}
        for name in [name for name in names if name in _BY_ANSWERABILITY]:
            for part, some in parts.items():
                if len(some.predictions):
                    figures[f"{name}_{part}"] = METRICS[name](some)
    return figures


def name_words(names: Sequence[str], answers: Answers) -> dict[str, str]:
    """Name the words that metrics of texts count, which depend on language and script.

    Args:
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Names of tokenizers by metric name; nothing for metrics that count no words.
    """
    return {name: WORDS[name](answers) for name in names if name in WORDS}
