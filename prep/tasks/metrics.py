"""Which metrics there are, and what kind of answers each is of.

`eval` computes them, and its registry has the same names; a test holds the two together. They are
told apart here so that a wrong name is found before anything is built or trained.
"""

import difflib
from collections.abc import Iterable, Mapping

from prep.errors import UsageError, nearest

LABELS, NUMBERS, TEXTS = "labels", "numbers", "texts"
_ANY = (LABELS, NUMBERS, TEXTS)
GROUPED = "group_exact_match"

METRICS: Mapping[str, tuple[str, ...]] = {
    "accuracy": _ANY,
    "exact_match": _ANY,
    GROUPED: _ANY,
    "f1": (LABELS,),
    "matthews": (LABELS,),
    "pearson": (NUMBERS,),
    "spearman": (NUMBERS,),
    "bleu": (TEXTS,),
    "rouge_l": (TEXTS,),
    "squad_em": (TEXTS,),
    "squad_f1": (TEXTS,),
}


def answer_form(kind: str, has_labels: bool) -> str:
    """Tell what the answers of a task are.

    Args:
        kind: Of the task.
        has_labels: Whether it has label words.

    Returns:
        "labels", "numbers" or "texts".
    """
    if has_labels:
        return LABELS
    return NUMBERS if kind == "regression" else TEXTS


def check_metrics(names: Iterable[str], form: str, has_groups: bool | None, where: str) -> None:
    """Refuse metrics that a task cannot have.

    A name that is like none of `METRICS` passes: a metric may be registered by a program of one's
    own, and whoever computes it knows.

    Args:
        names: Of the metrics.
        form: Of the task's answers, as `answer_form` tells.
        has_groups: Whether the task has groups; None: unknown.
        where: The task, for the message.

    Raises:
        UsageError: No metric, a misspelled name, twice the same, or a metric of other answers.
    """
    names = tuple(names)
    if not names:
        raise UsageError(
            f"{where}: there is no metric; metrics of {form}: {', '.join(_fitting(form))}"
        )
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{where}: metric {name!r} is named twice")
        if name not in METRICS:
            if difflib.get_close_matches(name.casefold(), METRICS, n=1):
                raise UsageError(f"{where}: there is no metric {name!r}; {nearest(name, METRICS)}")
        elif form not in METRICS[name]:
            raise UsageError(
                f"{where}: metric {name!r} is of {METRICS[name][0]}, and the answers are {form}; "
                f"metrics of {form}: {', '.join(_fitting(form))}"
            )
        elif name == GROUPED and has_groups is False:
            raise UsageError(f"{where}: metric {name!r} needs a key group, which the task lacks")


def _fitting(form: str) -> list[str]:
    return [name for name, forms in METRICS.items() if form in forms]
