"""Metrics that a task cannot have are refused before anything is built."""

import dataclasses

import pytest

from eval import METRICS as COMPUTED
from prep import UsageError, get_task
from prep.tasks import ALL_TASKS
from prep.tasks.metrics import ALIASES, INSTEAD, METRICS, check_metrics, resolve_metrics


def test_they_are_those_that_eval_computes():
    assert set(METRICS) == set(COMPUTED)


@pytest.mark.parametrize(
    ("names", "form", "has_groups", "message"),
    [
        (["acuracy"], "labels", False, "no metric 'acuracy'; did you mean 'accuracy'?"),
        (
            ["acc_norm"],
            "labels",
            False,
            "no metric 'acc_norm'; it is accuracy of another way to ans",
        ),
        (["Rouge-L"], "texts", False, "no metric 'Rouge-L'; did you mean 'rouge_l'?"),
        (["pearson"], "labels", False, "'pearson' is of numbers, and the answers are labels"),
        (["bleu"], "numbers", False, "metrics of numbers: accuracy, exact_match, .*pearson"),
        (["f1"], "texts", False, "'f1' is of labels, and the answers are texts"),
        (["f1", "f1"], "labels", False, "metric 'f1' is named twice"),
        (["my_own_distance"], "numbers", False, "no metric 'my_own_distance'; "),
        (["rmse", "pearson"], "numbers", False, "of 'rmse' less is better; put one before it"),
        ([], "labels", False, "there is no metric; metrics of labels: accuracy, "),
        (["group_exact_match"], "labels", False, "needs a key group"),
    ],
)
def test_what_cannot_be(names, form, has_groups, message):
    with pytest.raises(UsageError, match=f"^task 'x': .*{message}"):
        check_metrics(names, form, has_groups, "task 'x'")


def test_what_can_be():
    check_metrics(["f1", "group_exact_match", "accuracy"], "labels", True, "")
    check_metrics(["pearson", "rmse"], "numbers", False, "")
    assert all(task.metrics for task in ALL_TASKS)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("mean_multiclass_f1", ["f1_macro"]),  # T5, of CB
        ("multirc_f1_over_all_answers", ["f1"]),  # T5, of MultiRC
        ("rouge", ["rouge_1_unstemmed", "rouge_2_unstemmed", "rouge_l_sum_unstemmed"]),
        ("squad", ["squad_em", "squad_f1"]),
        ("spearmanr", ["spearman"]),  # evaluate
        ("rougeL", ["rouge_l_unstemmed"]),
        ("rougeL_recall", ["rouge_l_unstemmed_recall"]),
        ("macro_precision", ["precision_macro"]),
        ("trivia_qa", ["trivia_em", "trivia_f1"]),
        ("mcc", ["matthews"]),  # lm-eval
        ("em", ["squad_em"]),
        ("sacrebleu", ["bleu"]),
        ("score_auc", ["roc_auc"]),  # T5
        ("near", ["near"]),
    ],
)
def test_names_of_other_libraries(theirs, ours):
    assert list(resolve_metrics([theirs])) == ours


def test_aliases_stand_for_metrics_and_hide_none():
    assert {ours for names in ALIASES.values() for ours in names} <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)
    assert resolve_metrics(["rouge1_fmeasure"]) == ("rouge_1_unstemmed",)
    assert resolve_metrics(["multirc"]) == ("f1", "group_exact_match")
    assert resolve_metrics(["f1_a", "squad_v2"]) == ("f1", "squad_em", "squad_f1")


def test_no_name_is_both_taken_and_refused():
    assert not set(INSTEAD) & (set(ALIASES) | set(METRICS))


def test_a_task_takes_them_and_has_the_house_s_names():
    task = dataclasses.replace(get_task("cb"), metrics=("acc", "mean_multiclass_f1"))
    assert task.metrics == ("accuracy", "f1_macro")
    with pytest.raises(UsageError, match="metric 'accuracy' is named twice"):
        dataclasses.replace(task, metrics=("acc", "accuracy"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "regression", "metrics": ("accuracy",)}, "a regression has numbers"),
        ({"labels": {}}, "labels are missing, which classification needs"),
        ({"language": "deutsch"}, "language 'deutsch': expected a code of ISO 639"),
    ],
)
def test_a_task_that_contradicts_itself(changes, message):
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(get_task("rte"), **changes)


@pytest.mark.parametrize(
    "names",
    [
        "accuracy mean_multiclass_f1 f1_score_with_invalid pearson_corrcoef spearman_corrcoef bleu "
        "matthews_corrcoef rouge rouge_mean squad trivia_qa sequence_accuracy mean_group_metric "
        "multirc_f1_over_all_answers score_auc edit_distance",  # T5's
        "accuracy f1 precision recall matthews_correlation pearsonr spearmanr mae mse r_squared "
        "brier_score roc_auc squad squad_v2 exact exact_match rouge rouge1 rouge2 rougeL rougeLsum "
        "sacrebleu bleu chrf record f1_a f1_macro",  # evaluate's
        "acc exact_match em f1 mcc bleu chrf rouge1 rouge2 rougeL brier_score",  # lm-eval's
    ],
)
def test_names_that_other_libraries_have_are_known(names):
    assert {one for name in names.split() for one in resolve_metrics([name])} <= set(METRICS)
