"""Metrics equal the field's implementations on random answers, and what was worked by hand."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu
from nltk.metrics.distance import edit_distance as nltk_distance
from rouge_score import rouge_scorer
from sklearn import metrics as reference
from transformers.data.metrics import squad_metrics

from eval.metrics.answers import pair_answers
from eval.metrics.edits import edit_distances
from eval.metrics.registry import find_unjudged, score, sign_figures
from prep import UsageError

WORDS = [
    "the",
    "a",
    "An",
    "cat's",
    "cat,",
    "sat",
    "on",
    "mats",
    "running",
    "Ran",
    ".",
    "U.S.",
    "3.5",
    "well-known",
    "?",
]
CASES = 200
FEW = 60  # of each of several kinds of average


def texts(generator, count, longest=9):
    sizes = generator.integers(0, longest, count)
    return [" ".join(generator.choice(WORDS, size)) for size in sizes]


def with_probabilities(targets, probabilities):
    given = np.asarray(probabilities, float)
    answers = pair_answers(targets, given.argmax(1).tolist(), given.shape[1])
    return replace(answers, probabilities=given)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "binary"])
def test_precision_recall_and_f1_are_scikit_learns(average):
    generator = np.random.default_rng(1)
    for _ in range(FEW):
        classes = 2 if average == "binary" else int(generator.integers(2, 6))
        least = 0 if average == "binary" else -1
        targets = generator.integers(0, classes, 12).tolist()
        given = generator.integers(least, classes, 12).tolist()
        labels = [1] if average == "binary" else list(range(classes))
        expected = reference.precision_recall_fscore_support(
            targets, given, labels=labels, average=average, zero_division=0.0
        )[:3]
        ending = "" if average == "binary" else f"_{average}"
        names = [f"{name}{ending}" for name in ("precision", "recall", "f1")]
        figures = score(names, pair_answers(targets, given, classes))
        assert list(figures.values()) == pytest.approx(list(expected))


def test_precision_and_recall_by_hand():
    # Class 0: 1 of 1 given is right, 1 of 2 found. Class 1: 1 of 2, 1 of 1. Class 2: none.
    answers = pair_answers([0, 0, 1, 2], [0, 1, 1, -1], 3)
    names = ["precision", "recall_macro", "precision_micro", "recall_weighted"]
    figures = list(score(names, answers).values())
    assert figures == pytest.approx([(1 + 1 / 2 + 0) / 3, (1 / 2 + 1 + 0) / 3, 2 / 3, 2 / 4])


def test_errors_are_scikit_learns():
    generator = np.random.default_rng(2)
    for _ in range(CASES):
        right, given = generator.normal(size=(2, 9)) * 10.0 ** generator.integers(-3, 3)
        expected = {
            "mae": reference.mean_absolute_error(right, given),
            "mse": reference.mean_squared_error(right, given),
            "rmse": reference.root_mean_squared_error(right, given),
            "r2": reference.r2_score(right, given),
        }
        assert score(list(expected), pair_answers(right, given)) == pytest.approx(expected)


def test_errors_by_hand():
    answers = pair_answers([1.0, 2.0, 3.0], [1.0, 4.0, 2.0])
    # 0, 2 and 1 off; the right answers' squares around their mean are 1, 0 and 1.
    expected = [3 / 3, 5 / 3, (5 / 3) ** 0.5, 1 - 5 / 2]
    assert list(score(["mae", "mse", "rmse", "r2"], answers).values()) == pytest.approx(expected)
    assert score(["r2"], pair_answers([2.0, 2.0], [2.0, 2.0])) == {"r2": 1.0}
    assert score(["r2"], pair_answers([2.0, 2.0], [2.0, 3.0])) == {"r2": 0.0}


@pytest.mark.parametrize("classes", [2, 4])
def test_metrics_of_probabilities_are_scikit_learns(classes):
    generator = np.random.default_rng(classes)
    labels = list(range(classes))
    for _ in range(FEW):
        given = generator.dirichlet(np.ones(classes), 15)
        right = np.concatenate([labels, generator.integers(0, classes, 15 - classes)])
        area = (
            {"y_score": given[:, 1]} if classes == 2 else {"y_score": given, "multi_class": "ovr"}
        )
        expected = {
            "log_loss": reference.log_loss(right, given, labels=labels),
            "brier": reference.brier_score_loss(right, given, labels=labels)
            if classes > 2
            else reference.brier_score_loss(right, given[:, 1]),
            "roc_auc": reference.roc_auc_score(right, **area),
        }
        answers = with_probabilities(right.tolist(), given)
        assert score(list(expected), answers) == pytest.approx(expected)


def test_metrics_of_probabilities_by_hand():
    answers = with_probabilities([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    names = ["log_loss", "brier", "roc_auc", "calibration_error"]
    expected = [
        -np.log([0.9, 0.8, 0.3]).mean(),
        np.mean([0.1**2, 0.2**2, 0.7**2]),
        1.0,  # 0.1 is below 0.3 and 0.8
        (0.1 + 0.2 + 0.7) / 3,  # each in a bin of its own
    ]
    assert list(score(names, answers).values()) == pytest.approx(expected)
    sure = with_probabilities([0], [[0.0, 1.0]])
    assert score(["log_loss"], sure)["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))


def test_calibration_error_is_that_of_bins_counted_one_by_one():
    generator = np.random.default_rng(5)
    for _ in range(CASES):
        given, right = generator.dirichlet(np.ones(3), 50), generator.integers(0, 3, 50)
        sure, is_right = given.max(1), given.argmax(1) == right
        error = 0.0
        for number in range(15):
            inside = (sure > number / 15) & (sure <= (number + 1) / 15)
            if inside.any():
                error += inside.mean() * abs(is_right[inside].mean() - sure[inside].mean())
        answers = with_probabilities(right.tolist(), given)
        assert score(["calibration_error"], answers)["calibration_error"] == pytest.approx(error)


def test_a_confidence_between_two_bins_is_of_the_lower_one():
    # 0.6 is nine fifteenths, and right; 0.61 is of the next bin, and wrong.
    answers = with_probabilities([1, 0], [[0.4, 0.6], [0.39, 0.61]])
    expected = (0.4 + 0.61) / 2
    assert score(["calibration_error"], answers)["calibration_error"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (None, "without probabilities"),
        ([[0.5, 0.5, 0.0]], r"expected probabilities of shape \(1, 2\), got \(1, 3\)"),
        ([[0.5, 0.4]], "of example 0 are .* sum to 1"),
        ([[1.5, -0.5]], "numbers from 0"),
        ([[float("nan"), 1.0]], "numbers from 0"),
    ],
)
def test_probabilities_that_are_none(probabilities, message):
    given = None if probabilities is None else np.array(probabilities)
    answers = replace(pair_answers([1], [1], 2), probabilities=given)
    with pytest.raises(UsageError, match=f"^brier: .*{message}"):
        score(["brier"], answers)


def test_one_class_alone_is_not_judged():
    answers = with_probabilities([1, 1], [[0.1, 0.9], [0.6, 0.4]])
    assert score(["roc_auc"], answers) == {"roc_auc": 0.5}
    assert find_unjudged(["roc_auc", "brier"], answers) == {
        "roc_auc": "all right answers are the same"
    }
    answers = pair_answers([1, 0], [1, 1], 2)
    assert find_unjudged(["matthews", "f1"], answers) == {
        "matthews": "all given answers are the same"
    }


def test_a_class_that_is_not_there_is_not_judged():
    nowhere = pair_answers([0, 0], [0, 0], 2)
    assert score(["f1", "accuracy"], nowhere) == {"f1": 0.0, "accuracy": 1.0}
    why = "no right answer and no given one is the second label"
    assert find_unjudged(["f1", "accuracy"], nowhere) == {"f1": why}
    assert find_unjudged(["precision", "f1"], pair_answers([0, 1], [0, 0], 2)) == {
        "precision": "no given answer is the second label"
    }
    assert find_unjudged(["recall", "f1"], pair_answers([0, 0], [0, 1], 2)) == {
        "recall": "no right answer is the second label"
    }
    # Unreadable: it counts as the wrong one of the two.
    assert find_unjudged(["f1"], pair_answers([0, 0], [0, -1], 2)) == {}
    three = pair_answers([0, 1], [0, 1], 3)
    assert score(["f1_macro"], three)["f1_macro"] == pytest.approx(2 / 3)
    why = "1 of 3 labels is no right and no given answer, and counts 0"
    names = ["f1", "f1_macro", "f1_micro", "recall_weighted"]
    assert find_unjudged(names, three) == {"f1": why, "f1_macro": why}


def test_words_without_blanks_are_not_judged():
    answers = pair_answers(["北京市", "上海"], ["北京", "上海"])
    assert find_unjudged(["squad_f1", "squad_em"], answers) == {
        "squad_f1": "these texts have no blanks between words, and each counts as one word"
    }
    assert find_unjudged(["squad_f1"], pair_answers(["Beijing 北"], ["x"])) == {}
    assert find_unjudged(["bleu"], pair_answers(["a"], ["a"])) == {}


@pytest.mark.parametrize("stems", [True, False])
@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL", "rougeLsum"])
def test_rouge_is_rouge_scores(kind, stems):
    generator = np.random.default_rng(6)
    scorer = rouge_scorer.RougeScorer([kind], use_stemmer=stems)
    name = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}.get(kind, "rouge_l_sum")
    name += "" if stems else "_unstemmed"
    right, given = texts(generator, CASES), texts(generator, CASES)
    pairs = [(one, two) for one, two in zip(right, given, strict=True) if one != two]
    prepare = (lambda text: text.replace(" . ", " .\n")) if kind == "rougeLsum" else str
    found = [scorer.score(prepare(one), prepare(two))[kind] for one, two in pairs]
    answers = pair_answers(*map(list, zip(*pairs, strict=True)))
    figures = score([f"{name}_precision", f"{name}_recall", name], answers)
    assert list(figures.values()) == pytest.approx(np.mean(found, 0).tolist())


def test_rouge_of_stems_by_hand():
    answers = pair_answers(["running dogs"], ["run dog"])
    assert score(["rouge_1", "rouge_1_unstemmed"], answers) == {
        "rouge_1": 1.0,
        "rouge_1_unstemmed": 0.0,
    }


def test_trivia_by_hand():
    # T5's trivia_qa has blanks where SQuAD's script has nothing, and drops quotes of print.
    answers = pair_answers(["New-York", "the ‘Ritz’", "a b c"], ["new york", "Ritz", "b, d"])
    names = ["trivia_em", "trivia_f1", "squad_em"]
    expected = [2 / 3, (1 + 1 + 2 * 1 / 4) / 3, 0.0]
    assert list(score(names, answers).values()) == pytest.approx(expected)


def test_rouge_by_hand():
    # Of "cat on the mat" and "cat lies on a mat": 3 words shared, and no pair.
    answers = pair_answers(["cat on the mat"], ["cat lies on a mat"])
    names = ["rouge_1_precision", "rouge_1_recall", "rouge_1", "rouge_2"]
    assert list(score(names, answers).values()) == pytest.approx([3 / 5, 3 / 4, 2 / 3, 0.0])
    # By sentence "b" is found in the other order, by the whole text it is not.
    answers = pair_answers(["a b . c d"], ["c d . a b"])
    figures = score(["rouge_l_sum", "rouge_l"], answers)
    assert figures == pytest.approx({"rouge_l_sum": 1.0, "rouge_l": 0.5})


def test_bleu_and_chrf_are_sacrebleus():
    generator = np.random.default_rng(7)
    for _ in range(CASES):
        right, other, given = (texts(generator, 10, 12) for _ in range(3))
        right[0] = "the cat sat on mats"  # four words, for the usual BLEU
        references = list(zip(right, other, strict=True))
        answers = pair_answers(right, given, references=references)
        figures = score(["bleu", "chrf"], answers)
        expected = [
            sacrebleu.corpus_bleu(given, [right, other]).score / 100,
            sacrebleu.corpus_chrf(given, [right, other]).score / 100,
        ]
        assert list(figures.values()) == pytest.approx(expected)


def test_chrf_by_hand():
    # "ab" and "ac": one letter of two, no pair; of the orders 1 and 2 the mean is 1/4.
    answers = pair_answers(["ab"], ["ac"])
    assert score(["chrf"], answers)["chrf"] == pytest.approx(0.25)
    assert score(["chrf"], pair_answers(["ab"], [""])) == {"chrf": 0.0}


def test_signatures_are_sacrebleus():
    answers = pair_answers(["the cat sat on the mat"], ["the cat"])
    version = sacrebleu.__version__
    assert sign_figures(["bleu", "chrf", "rouge_l"], answers) == {
        "bleu": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}",
        "chrf": f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
    }
    several = pair_answers(["a b", "c"], ["a", "c"], references=[("a b",), ("c", "d")])
    assert sign_figures(["bleu"], several)["bleu"].startswith("nrefs:var|case:mixed|eff:yes|")


def test_squad_s_figures_are_its_scripts():
    """`squad_metrics` of transformers is the script of SQuAD 2.0."""
    generator = np.random.default_rng(8)
    right, other, given = (texts(generator, CASES, 5) for _ in range(3))
    references = [
        ("",) if number % 4 == 0 else (one or "cat,", two or "mats")
        for number, (one, two) in enumerate(zip(right, other, strict=True))
    ]
    given = ["" if number % 6 == 0 else text for number, text in enumerate(given)]
    answers = pair_answers([one[0] for one in references], given, references=references)
    plain = [one for one in references if any(map(squad_metrics.normalize_answer, one))]
    assert len(plain) > CASES / 2
    expected = {"squad_em": [], "squad_f1": []}
    for rights, text in zip(references, given, strict=True):
        golds = [one for one in rights if squad_metrics.normalize_answer(one)] or [""]
        for name, compute in (
            ("squad_em", squad_metrics.compute_exact),
            ("squad_f1", squad_metrics.compute_f1),
        ):
            expected[name].append(max(compute(gold, text) for gold in golds))
    marked = [tuple(one or "unanswerable" for one in rights) for rights in references]
    answers = replace(
        pair_answers(
            [one[0] for one in marked],
            [text or "unanswerable" for text in given],
            references=marked,
        ),
        no_answer="unanswerable",
    )
    figures = score(["squad_em", "squad_f1"], answers)
    has = np.array([bool(rights[0]) for rights in references])
    for name, values in expected.items():
        assert figures[name] == pytest.approx(np.mean(values))
        assert figures[f"{name}_has_answer"] == pytest.approx(np.array(values)[has].mean())
        assert figures[f"{name}_no_answer"] == pytest.approx(np.array(values)[~has].mean())


def test_squad_1_s_figures_are_its_scripts():
    """Of which only an empty text differs: it has no word in common with another empty one."""
    generator = np.random.default_rng(11)
    right, other, given = (texts(generator, CASES, 5) for _ in range(3))
    references = [(one, two) for one, two in zip(right, other, strict=True)]
    expected = {"squad_em": [], "squad_f1": []}
    for rights, text in zip(references, given, strict=True):
        shares = [
            squad_metrics.compute_f1(gold, text) if squad_metrics.normalize_answer(gold) else 0
            for gold in rights
        ]
        expected["squad_em"].append(max(squad_metrics.compute_exact(one, text) for one in rights))
        expected["squad_f1"].append(max(shares))
    figures = score(["squad"], pair_answers(right, given, references=references))
    assert all(0 < figure < 1 for figure in figures.values())
    assert figures == pytest.approx({name: np.mean(one) for name, one in expected.items()})


def test_edit_distances_are_nltks():
    generator = np.random.default_rng(9)
    right = [
        "".join(generator.choice(list("abcю"), size)) for size in generator.integers(0, 9, CASES)
    ]
    given = [
        "".join(generator.choice(list("abcю"), size)) for size in generator.integers(0, 9, CASES)
    ]
    expected = [nltk_distance(*pair) for pair in zip(right, given, strict=True)]
    assert edit_distances(right, given).tolist() == expected


def test_edit_distance_by_hand():
    references = [("kitten", "sitting room"), ("", "b")]
    answers = pair_answers(["kitten", ""], ["sitting", ""], references=references)
    # Three edits from "kitten"; the longer of the two has 7 letters, and nothing equals nothing.
    figures = score(["edit_distance", "edit_similarity"], answers)
    assert figures == pytest.approx({"edit_distance": 3 / 2, "edit_similarity": (7 / 12 + 1) / 2})


def test_multirc_by_hand():
    """F1 over all answers, and questions of which every answer is right."""
    groups = np.array([0, 0, 0, 1, 1])
    answers = pair_answers([1, 0, 1, 1, 0], [1, 0, 0, 1, 0], 2, groups=groups)
    figures = score(["multirc_f1_over_all_answers", "mean_group_metric"], answers)
    # 2 of 2 given are right, 2 of 3 found.
    assert figures == pytest.approx({"f1": 0.8, "group_exact_match": 0.5})


def test_no_figure_leaves_its_bounds():
    generator = np.random.default_rng(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(50):
            right = generator.normal(size=6) * 1e-8 + 1
            answers = pair_answers(right, right * 3 + 2)
            figures = score(["pearson", "spearman"], answers)
            assert all(-1 <= figure <= 1 for figure in figures.values())
    same = ["the cat sat on the mat", "dogs bark at the moon"]
    figures = score(["bleu", "chrf", "rouge_l_sum"], pair_answers(same, same))
    assert set(figures.values()) == {1.0}
