import math
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu
from scipy import stats
from sklearn import metrics as reference

from eval.metrics.answers import pair_answers
from eval.metrics.registry import METRICS, score
from prep import UsageError
from prep.tasks.metrics import METRICS as KNOWN

FORMS = {name: forms[0] for name, forms in KNOWN.items()}


def one(name, targets, predictions, classes=0, **more):
    if name == "group_exact_match":
        more.setdefault("groups", np.arange(len(targets)))
    probabilities = more.pop("probabilities", None)
    answers = pair_answers(targets, predictions, classes, **more)
    return score([name], replace(answers, probabilities=probabilities))[name]


def test_accuracy_by_hand():
    assert one("accuracy", [0, 1, 2, 1], [0, 1, 1, -1], 3) == 0.5


def test_exact_match_by_hand():
    assert one("exact_match", ["a b", "a", "", "a"], ["a b", "A", "", "a\0"]) == 0.5


def test_binary_f1_by_hand():
    # Two of three positives found, one false alarm: precision 2/3, recall 2/3.
    assert one("f1", [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], 2) == pytest.approx(2 / 3)


def test_unreadable_answers_of_two_classes_count_as_the_wrong_one():
    # The first misses a positive, the last raises a false alarm: precision 1/2, recall 1/2.
    assert one("f1", [1, 1, 0], [-1, 1, -1], 2) == pytest.approx(0.5)


def test_f1_of_three_classes_by_hand():
    # Class 0: precision 1, recall 1/2, F1 2/3. Class 1: 1/2, 1, 2/3. Class 2: missed, 0.
    assert one("f1", [0, 0, 1, 2], [0, 1, 1, -1], 3) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_a_class_that_does_not_occur_counts_as_zero():
    # Classes 0 and 1 have F1 2/3 and 0.8; the third has none, and T5 divides by three.
    assert one("f1", [0, 0, 1, 1], [0, 1, 1, 1], 3) == pytest.approx((2 / 3 + 0.8) / 3)


@pytest.mark.parametrize("seed", range(4))
def test_f1_of_several_classes_is_t5s(seed):
    """As `t5.evaluation.metrics.mean_multiclass_f1` computes it, and where it is scikit-learn's."""
    random = np.random.default_rng(seed)
    targets, answers = random.integers(0, 3, 30), random.integers(-1, 3, 30)
    t5 = reference.fbeta_score(
        targets, answers, labels=range(4), beta=1, average="macro", zero_division=0.0
    )
    assert one("f1", targets.tolist(), answers.tolist(), 4) == pytest.approx(t5)
    # scikit-learn takes the classes that occur, the unreadable one among them: also four here.
    assert set(answers) == {-1, 0, 1, 2}
    theirs = reference.f1_score(targets, answers, average="macro")
    assert theirs == pytest.approx(t5)
    readable = np.where(answers < 0, 0, answers)
    theirs = reference.f1_score(targets, readable, average="macro")
    assert one("f1", targets.tolist(), readable.tolist(), 3) == pytest.approx(theirs)
    assert one("f1", targets.tolist(), readable.tolist(), 4) == pytest.approx(theirs * 3 / 4)


def test_matthews_by_hand():
    # TP 2, TN 1, FP 1, FN 0: (2·1 − 1·0) / √(3·2·2·1) = 2/√12.
    assert one("matthews", [1, 1, 0, 0], [1, 1, 1, 0], 2) == pytest.approx(2 / math.sqrt(12))


def test_matthews_of_unreadable_answers_by_hand():
    # A class of their own: (3·4 − (2·1 + 2·2)) / √((4² − 1 − 1 − 2²)(4² − 2² − 2²)).
    assert one("matthews", [1, 1, 0, 0], [-1, 1, 0, 0], 2) == pytest.approx(6 / math.sqrt(80))
    assert one("matthews", [1, 1, 0, 0], [-1, -1, -1, -1], 2) == 0.0


def test_pearson_by_hand():
    # Deviations (−1, 0, 1) and (−1, 1, 0): 1 / √(2·2).
    assert one("pearson", [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]) == pytest.approx(0.5)


def test_spearman_by_hand():
    # Monotone though not linear.
    assert one("spearman", [1.0, 2.0, 3.0], [1.0, 10.0, 100.0]) == pytest.approx(1.0)
    assert one("spearman", [1.0, 2.0, 3.0], [5.0, 4.0, -1.0]) == pytest.approx(-1.0)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_constant_answers_correlate_with_nothing(name):
    for classes in (2, 3):
        assert one(name, [0, 1, 1], [1, 1, 1], classes) == 0.0
        assert one(name, [1, 1, 1], [0, 1, 0], classes) == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_no_examples_is_an_error(name):
    with pytest.raises(ValueError, match="no examples"):
        one(name, [], [], 3)


@pytest.mark.parametrize("name", METRICS)
def test_one_example_gives_a_number(name):
    answer = "a cat" if FORMS[name] == "texts" else 1
    probabilities = np.array([[0.0, 1.0, 0.0]])
    assert math.isfinite(one(name, [answer], [answer], 3, probabilities=probabilities))


def test_parity_with_the_reference_implementations():
    for seed in range(200):
        generator = np.random.default_rng(seed)
        for classes in (2, 4):
            targets = generator.integers(0, classes, 30).tolist()
            answers = generator.integers(0, classes, 30).tolist()
            average = "binary" if classes == 2 else "macro"
            labels = None if classes == 2 else range(classes)
            f1 = {"average": average, "labels": labels, "zero_division": 0.0}
            expected = {
                "accuracy": reference.accuracy_score(targets, answers),
                "exact_match": reference.accuracy_score(targets, answers),
                "f1": reference.f1_score(targets, answers, **f1),
                "matthews": reference.matthews_corrcoef(targets, answers),
            }
            found = score(list(expected), pair_answers(targets, answers, classes))
            assert found == pytest.approx(expected)
        numbers = generator.normal(size=(2, 30)).round(1)
        expected = {
            "pearson": stats.pearsonr(*numbers).statistic,
            "spearman": stats.spearmanr(*numbers).statistic,
        }
        figures = score(list(expected), pair_answers(*numbers.tolist()))
        assert figures == pytest.approx(expected)


def test_figures_of_groups_are_those_of_rows_put_together():
    """MultiRC's exact match of questions, and its F1 over all answers, as SuperGLUE has them."""
    for seed in range(200):
        generator = np.random.default_rng(seed)
        groups = generator.integers(0, 6, 20)
        targets, flips = generator.integers(0, 2, 20), generator.random(20) < 0.2
        given = np.where(flips, 1 - targets, targets)
        answers = pair_answers(targets.tolist(), given.tolist(), 2, groups=groups)
        of_questions = [
            (targets[groups == one] == given[groups == one]).all() for one in np.unique(groups)
        ]
        expected = {
            "group_exact_match": np.mean(of_questions),
            "f1": reference.f1_score(targets, given, zero_division=0.0),
        }
        assert score(list(expected), answers) == pytest.approx(expected)


def test_bleu_by_hand():
    # Five words of six in order: 5/6 unigrams, 4/5 bigrams, 3/4, 2/3; no brevity penalty.
    right, given = "the cat sat on the mat", "the cat sat on the rug"
    expected = (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert one("bleu", [right], [given]) == pytest.approx(expected)
    assert one("bleu", [right], [right]) == pytest.approx(1.0)
    assert one("bleu", [right], [""]) == 0.0


def test_bleu_is_of_the_corpus():
    targets = ["the cat sat on the mat", "dogs bark at night in the town"]
    answers = ["the cat sat on the rug", "dogs bark at night in a town"]
    expected = sacrebleu.corpus_bleu(answers, [targets]).score / 100
    assert one("bleu", targets, answers) == pytest.approx(expected)


def test_rouge_l_by_hand():
    # The longest common subsequence is "cat on mat": 3 of 4 words and 3 of 5, F1 2/3.
    assert one("rouge_l", ["cat on the mat"], ["cat lies on a mat"]) == pytest.approx(2 / 3)
    assert one("rouge_l", ["cat", "dog"], ["cat", ""]) == pytest.approx(0.5)


def test_squad_answers_are_compared_without_case_articles_and_punctuation():
    assert one("squad_em", ["The Cat", "a dog"], ["cat.", "dogs"]) == 0.5
    # "big black cat" and "cat, black": 2 of 3 and 2 of 2, F1 0.8; the second shares nothing.
    assert one("squad_f1", ["the big black cat", "x"], ["cat, black", "y"]) == pytest.approx(0.4)


def test_squad_answers_without_words_are_scored_as_the_script_of_their_version_does():
    """1.1: `num_same == 0: return 0`; 2.0: equal if both are empty, golds without words dropped."""
    targets, answers = ["the", "the"], ["a", "cat"]
    assert one("squad_f1", targets, answers) == 0.0
    assert one("squad_em", targets, answers) == 0.5
    paired = replace(pair_answers(targets, answers), no_answer="unanswerable")
    figures = score(["squad_f1", "squad_em"], paired)
    assert (figures["squad_f1"], figures["squad_em"]) == (0.5, 0.5)
    paired = pair_answers(["the"], ["an"], references=[("the", "cat")])
    assert score(["squad_em"], paired) == {"squad_em": 1.0}
    paired = replace(paired, no_answer="unanswerable")
    assert score(["squad_em", "squad_f1"], paired)["squad_em"] == 0.0


@pytest.mark.parametrize("name", ["exact_match", "accuracy", "squad_em", "squad_f1", "rouge_l"])
def test_the_best_fitting_of_several_right_answers_counts(name):
    references = [("a red car", "an auto"), ("night",)]
    targets = [right[0] for right in references]
    assert one(name, targets, ["an auto", "night"], references=references) == 1.0
    assert one(name, targets, ["an auto", "night"]) < 1.0
    assert one(name, targets, ["a red car", "an auto"], references=references) == 0.5


def test_bleu_takes_all_references():
    references = [("the cat sat on the mat", "a cat was on the mat"), ("dogs bark at the moon",)]
    targets, answers = [right[0] for right in references], ["a cat was on the mat", "dogs bark at"]
    padded = [[right[0] for right in references], [right[-1] for right in references]]
    expected = sacrebleu.corpus_bleu(answers, padded).score / 100
    figure = one("bleu", targets, answers, references=references)
    assert figure == pytest.approx(expected)
    assert figure > one("bleu", targets, answers)


def test_a_group_is_right_when_all_of_it_is():
    targets, answers = [1, 0, 1, 1, 0], [1, 0, 1, 0, 0]
    groups = np.array([7, 7, 2**62, 2**62, 5])
    assert one("group_exact_match", targets, answers, 2, groups=groups) == pytest.approx(2 / 3)
    with pytest.raises(UsageError, match="no groups"):
        one("group_exact_match", targets, answers, 2, groups=None)


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UsageError, match=r"no metric 'acuracy'; .*'accuracy'"):
        one("acuracy", [1], [1])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="1 predictions for 2 targets"):
        one("accuracy", [1, 2], [1])
