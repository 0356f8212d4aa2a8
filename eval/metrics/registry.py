"""Metrics: functions of targets and predictions, all from 0 (or −1) to 1, and their registry.

Answers come as `eval.metrics.reading` reads them: label indices (−1: not a label), numbers, or
texts. Adding a metric takes one function here, one line in `METRICS` and one test.
"""

from collections.abc import Mapping, Sequence

from eval.metrics.answers import Answers, Metric
from eval.metrics.labels import accuracy, exact_match, f1, group_exact_match, matthews
from eval.metrics.numbers import pearson, spearman
from eval.metrics.texts import bleu, rouge_l, squad_em, squad_f1
from prep import UsageError, nearest

METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "exact_match": exact_match,
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


def score(names: Sequence[str], answers: Answers) -> dict[str, float]:
    """Compute metrics by name.

    Args:
        names: Of `METRICS`.
        answers: Right and given ones.

    Returns:
        Figures by metric name, in the order of `names`.

    Raises:
        UsageError: A metric is unknown, or needs groups and has none.
    """
    for name in names:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}; {nearest(name, METRICS)}")
    return {name: METRICS[name](answers) for name in names}
