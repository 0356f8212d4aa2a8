"""The figure of a resample is that of the examples it drew, each as often as it was drawn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from eval.metrics.answers import pair_answers
from eval.metrics.intervals import prepare_resampler
from eval.metrics.registry import METRICS, list_figures
from prep.tasks.metrics import METRICS as KNOWN

WORDS = ["the", "cat", "sat", "on", "a", "mat", ".", "dog", "ran", "far"]
EXAMPLES = 24


def some_answers(name, generator, classes=0):
    """Random answers of the kind a metric is of, with groups and probabilities."""
    if KNOWN[name][0] == "texts":
        texts = [
            [" ".join(generator.choice(WORDS, generator.integers(0, 9))) for _ in range(EXAMPLES)]
            for _ in range(3)
        ]
        rows = list(zip(*texts, strict=True))
        given = [one if generator.random() < 0.3 else two for one, two, _ in rows]
        references = [(one, two) for one, _, two in rows]
        return pair_answers(texts[0], given, references=references)
    if KNOWN[name][0] == "numbers":
        right, given = generator.normal(size=(2, EXAMPLES)).round(1)
        return pair_answers(right, given)
    classes = classes or int(generator.integers(2, 5))
    right = generator.integers(0, classes, EXAMPLES)
    given = np.where(
        generator.random(EXAMPLES) < 0.4, right, generator.integers(-1, classes, EXAMPLES)
    )
    groups = generator.integers(0, 9, EXAMPLES)
    answers = pair_answers(right, given, classes, groups=groups)
    probabilities = generator.dirichlet(np.ones(classes), EXAMPLES).round(2)
    return replace(answers, probabilities=probabilities / probabilities.sum(1, keepdims=True))


def repeat(answers, times):
    rows = np.repeat(np.arange(len(times)), times)
    fields = ("targets", "predictions", "groups", "is_readable", "probabilities")
    changes = {
        name: getattr(answers, name)[rows] for name in fields if getattr(answers, name) is not None
    }
    references = [answers.references[row] for row in rows] if answers.references else ()
    return replace(answers, references=references, **changes)


@pytest.mark.parametrize("name", METRICS)
def test_weights_of_one_give_the_figure(name):
    generator = np.random.default_rng(3)
    for _ in range(8):
        answers = some_answers(name, generator)
        (figure,) = prepare_resampler(METRICS[name], answers)(np.ones((1, EXAMPLES)))
        assert figure == pytest.approx(METRICS[name](answers), abs=1e-9)


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"group_exact_match"}))
def test_a_weight_is_how_often_an_example_counts(name):
    generator = np.random.default_rng(4)
    for _ in range(3):
        answers = some_answers(name, generator)
        times = generator.multinomial(EXAMPLES, np.ones(EXAMPLES) / EXAMPLES, 2)
        figures = prepare_resampler(METRICS[name], answers)(times.astype(float))
        # BLEU's choice of runs to count is the whole corpus's.
        expected = [METRICS[name](repeat(answers, row)) for row in times]
        assert figures == pytest.approx(expected, abs=1e-9)


def test_a_class_that_a_resample_lacks_is_left_out_there():
    """Of four classes, one occurs nowhere: it counts 0 in every resample."""
    right, given = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    answers = pair_answers(right, given, 4)
    times = np.array([[2, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 4]])
    for name, score in (("f1_macro", f1_score), ("recall_macro", recall_score)):
        figures = METRICS[name].resampler(answers)(times.astype(float))
        of_present = [
            score(np.repeat(right, row), np.repeat(given, row), average="macro") for row in times
        ]
        assert figures == pytest.approx(0.75 * np.array(of_present))
        assert figures[1] == pytest.approx(METRICS[name](answers))
    two = pair_answers([0, 0, 1], [0, 0, 1], 2)
    alone, both = METRICS["f1"].resampler(two)(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    assert np.isnan(alone) and both == 1.0
    never = pair_answers([0, 0], [0, 0], 2)
    assert METRICS["f1"].resampler(never)(np.array([[2.0, 0.0]])) == [0.0]


def test_what_resamples_cannot_judge_is_said():
    answers = replace(pair_answers([0, 1], [0, 1], 2), probabilities=np.eye(2))
    (alone, both) = METRICS["roc_auc"].resampler(answers)(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(alone) and both == 1.0


def test_figures_of_questions_with_and_without_an_answer():
    answers = pair_answers(["cat", "none"], ["cat", "dog"])
    answers = replace(answers, no_answer="none")
    names = [name for name, _, _ in list_figures(["squad_f1", "bleu"], answers)]
    assert names == ["squad_f1", "bleu", "squad_f1_has_answer", "squad_f1_no_answer"]
