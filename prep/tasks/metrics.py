"""Which metrics there are, what kind of answers each is of, and what else they are called.

`eval` computes them, and its registry has the same names; a test holds the two together. They are
told apart here so that a wrong name is found before anything is built or trained.
"""

from collections.abc import Iterable, Mapping

from prep.errors import UsageError, nearest

LABELS, NUMBERS, TEXTS = "labels", "numbers", "texts"
_ANY = (LABELS, NUMBERS, TEXTS)
GROUPED = "group_exact_match"
_AVERAGES = ("micro", "macro", "weighted")
_UNSTEMMED = "_unstemmed"
_ROUGES = ("rouge_1", "rouge_2", "rouge_l", "rouge_l_sum")

METRICS: Mapping[str, tuple[str, ...]] = {
    "accuracy": _ANY,
    "exact_match": _ANY,
    GROUPED: _ANY,
    **{
        name: (LABELS,)
        for score in ("precision", "recall", "f1")
        for name in (score, *(f"{score}_{average}" for average in _AVERAGES))
    },
    "matthews": (LABELS,),
    "log_loss": (LABELS,),
    "brier": (LABELS,),
    "calibration_error": (LABELS,),
    "roc_auc": (LABELS,),
    "pearson": (NUMBERS,),
    "spearman": (NUMBERS,),
    "mae": (NUMBERS,),
    "mse": (NUMBERS,),
    "rmse": (NUMBERS,),
    "r2": (NUMBERS,),
    "bleu": (TEXTS,),
    "chrf": (TEXTS,),
    **{
        name: (TEXTS,)
        for ending in ("", _UNSTEMMED)
        for rouge in _ROUGES
        for name in (
            rouge + ending,
            f"{rouge}{ending}_precision",
            f"{rouge}{ending}_recall",
        )
    },
    "squad_em": (TEXTS,),
    "squad_f1": (TEXTS,),
    "trivia_em": (TEXTS,),
    "trivia_f1": (TEXTS,),
    "edit_distance": (TEXTS,),
    "edit_similarity": (TEXTS,),
}

# Of these less is better, so that no checkpoint can be the best by them.
LESS_IS_BETTER = frozenset(
    ("log_loss", "brier", "calibration_error", "mae", "mse", "rmse", "edit_distance")
)
# Of these 1 is the most there can be: all answers are right.
AT_MOST_ONE = frozenset(METRICS) - LESS_IS_BETTER
# These may lie beyond −1 and 1: they have the unit of the answers, or no floor.
UNBOUNDED = frozenset(("log_loss", "mae", "mse", "rmse", "r2", "edit_distance"))
# Of these answers alone do not tell: they are of probabilities of the label words.
OF_PROBABILITIES = frozenset(("log_loss", "brier", "calibration_error", "roc_auc"))

# What seqio and T5, `evaluate`, lm-eval and scikit-learn call them; some names stand for several.
# Their ROUGE does not stem.
ALIASES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("acc", "accuracy_score"), ("accuracy",)),
    **{
        f"{average}_{score}": (f"{score}_{average}",)
        for average in _AVERAGES
        for score in ("precision", "recall", "f1")
    },
    "sequence_accuracy": ("exact_match",),
    **dict.fromkeys(("mean_group_metric", "all_match"), (GROUPED,)),
    "mean_multiclass_f1": ("f1_macro",),
    "multirc": ("f1", GROUPED),
    **dict.fromkeys(
        ("f1_score", "f1_score_with_invalid", "multirc_f1_over_all_answers", "f1a", "f1_a"),
        ("f1",),
    ),
    "precision_score": ("precision",),
    "recall_score": ("recall",),
    **dict.fromkeys(("mcc", "matthews_corrcoef", "matthews_correlation"), ("matthews",)),
    **dict.fromkeys(("pearsonr", "pearson_corrcoef"), ("pearson",)),
    **dict.fromkeys(("spearmanr", "spearman_corrcoef", "spearman_correlation"), ("spearman",)),
    "mean_absolute_error": ("mae",),
    "mean_squared_error": ("mse",),
    "root_mean_squared_error": ("rmse",),
    **dict.fromkeys(("r_squared", "r2_score"), ("r2",)),
    **dict.fromkeys(("brier_score", "brier_score_loss"), ("brier",)),
    **dict.fromkeys(("ece", "expected_calibration_error"), ("calibration_error",)),
    **dict.fromkeys(("auc", "roc_auc_score", "score_auc"), ("roc_auc",)),
    "sacrebleu": ("bleu",),
    **dict.fromkeys(
        ("rouge", "rouge_mean"), ("rouge_1_unstemmed", "rouge_2_unstemmed", "rouge_l_sum_unstemmed")
    ),
    **{
        theirs + ending: (ours + _UNSTEMMED + part,)
        for ours, names in zip(
            _ROUGES,
            (("rouge1",), ("rouge2",), ("rougeL", "rougel"), ("rougeLsum", "rougelsum")),
            strict=True,
        )
        for ending, part in (
            ("", ""),
            ("_fmeasure", ""),
            ("_precision", "_precision"),
            ("_recall", "_recall"),
        )
        for theirs in names
    },
    **dict.fromkeys(("squad", "squad_v2", "record"), ("squad_em", "squad_f1")),
    "trivia_qa": ("trivia_em", "trivia_f1"),
    **dict.fromkeys(("em", "exact", "record_em"), ("squad_em",)),
    "record_f1": ("squad_f1",),
    "levenshtein": ("edit_distance",),
}

# What the same libraries name and is not computed here, and what comes nearest to it.
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("acc_norm", "acc_bytes"),
        "it is accuracy of another way to answer: metric accuracy, scored with `--per-token`",
    ),
    **dict.fromkeys(
        ("rank_classification", "acc_mutual_info"),
        "it is a way to answer: tasks with choices compare their labels, and accuracy scores that",
    ),
    "span_squad": "its answers are places in the text; squad_em and squad_f1 compare the words",
    **dict.fromkeys(
        ("f1_m", "f1m"),
        "SuperGLUE scores MultiRC by f1 (over all answers) and group_exact_match",
    ),
    "coqa_f1": "squad_f1 compares words in the same way, with the best of several right answers",
    **dict.fromkeys(
        ("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"),
        "answers are scored, not losses; the trainer's curves have the loss of each token",
    ),
    **dict.fromkeys(("wer", "cer", "ter"), "edit_similarity and edit_distance come nearest"),
    "balanced_accuracy": "recall_macro is the mean over all classes of the task",
    **dict.fromkeys(("average_precision", "pr_auc"), "roc_auc is of probabilities too"),
    "google_bleu": "bleu is of the whole corpus, chrf copes with short texts",
    **dict.fromkeys(
        ("meteor", "bertscore", "bert_score", "bleurt", "comet"),
        "it needs data or a model of its own; chrf, bleu and rouge_l compare the texts alone",
    ),
    **dict.fromkeys(("mape", "smape"), "mae and rmse are in the unit of the answers"),
    **dict.fromkeys(
        ("glue", "super_glue"),
        "name each task's own metrics; averages over GLUE's and SuperGLUE's tasks come by "
        "themselves",
    ),
}


def resolve_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Turn the names that other libraries have for metrics into those of `METRICS`.

    Args:
        names: Of the metrics; what is no alias stays as it is.

    Returns:
        The names, in order; one may have become several.
    """
    return tuple(ours for name in names for ours in ALIASES.get(name, (name,)))


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

    Args:
        names: Of the metrics, as `resolve_metrics` gives them.
        form: Of the task's answers, as `answer_form` tells.
        has_groups: Whether the task has groups; None: unknown.
        where: The task, for the message.

    Raises:
        UsageError: No metric, an unknown name, twice the same, a metric of other answers, or a
            main metric of which less is better.
    """
    names = tuple(names)
    fitting = f"metrics of {form}: {', '.join(_fitting(form))}"
    if not names:
        raise UsageError(f"{where}: there is no metric; {fitting}")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{where}: metric {name!r} is named twice")
        check_name(name, where)
        if form not in METRICS[name]:
            raise UsageError(
                f"{where}: metric {name!r} is of {METRICS[name][0]}, and the answers are {form}; "
                f"{fitting}"
            )
        if name == GROUPED and has_groups is False:
            raise UsageError(f"{where}: metric {name!r} needs a key group, which the task lacks")
    if names[0] in LESS_IS_BETTER:
        raise UsageError(
            f"{where}: the first metric tells the best checkpoint, and of {names[0]!r} less is "
            "better; put one before it of which more is"
        )


def check_name(name: str, where: str) -> None:
    """Refuse a metric that there is not.

    Args:
        name: As `resolve_metrics` gives it.
        where: The task, for the message.

    Raises:
        UsageError: It names the nearest one there is.
    """
    if name not in METRICS:
        raise UsageError(f"{where}: there is no metric {name!r}; {suggest_metric(name, METRICS)}")


def suggest_metric(name: str, known: Iterable[str]) -> str:
    """Phrase a hint for an unknown metric: what there is in its place, or is spelt most like it.

    Args:
        name: That was asked for.
        known: The house's metrics.

    Returns:
        What to say.
    """
    if name in INSTEAD:
        return INSTEAD[name]
    hint = nearest(name, known)
    if hint.startswith("did you mean"):
        return hint
    return nearest(name, {*known, *ALIASES})


def _fitting(form: str) -> list[str]:
    return [name for name, forms in METRICS.items() if form in forms]
