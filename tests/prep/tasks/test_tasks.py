import pickle

import pytest

from eval.metrics.registry import METRICS
from prep.errors import UsageError
from prep.sources.row import RowError
from prep.tasks import ALL_TASKS, TASKS_BY_NAME, get_task
from prep.tasks.catalogue.glue import round_similarity
from prep.tasks.catalogue.questions import word_squad
from prep.tasks.digest import definition_digest
from prep.tasks.examples import row_to_example
from prep.tasks.source_choice import read_from
from prep.tasks.task import TASK_KINDS, Task

NESTED = {
    "question": {
        "stem": "Where?",
        "choices": [{"label": letter, "text": letter.lower()} for letter in "ABCDE"],
    },
    "answerKey": "C",
}

# One row of each task in its file's own format, and the pair of texts it must become.
WORDINGS = {
    "rte": (
        {"sentence1": "a b", "sentence2": "c", "label": "not_entailment"},
        ("rte sentence1: a b sentence2: c", "not_entailment", 1),
    ),
    "cola": (
        {"sentence": "a b", "label": "0", "author_mark": "*"},
        ("cola sentence: a b", "unacceptable", 0),
    ),
    "sst2": ({"sentence": "fine", "label": "1"}, ("sst2 sentence: fine", "positive", 1)),
    "stsb": (
        {"sentence1": "a", "sentence2": "b", "score": "3.75"},
        ("stsb sentence1: a sentence2: b", "3.8", -1),
    ),
    "boolq": (
        {"question": "is it", "passage": "it is", "label": True},
        ("boolq passage: it is question: is it", "True", 1),
    ),
    "cb": (
        {"premise": "p", "hypothesis": "h", "label": "neutral"},
        ("cb hypothesis: h premise: p", "neutral", 2),
    ),
    "copa": (
        {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 1},
        ("copa choice1: a choice2: b premise: p question: cause", "choice2", 1),
    ),
    "commonsense_qa": (
        NESTED,
        ("commonsense_qa question: Where? choices: A: a B: b C: c D: d E: e", "C", 2),
    ),
    "e_care": (
        {"premise": "p", "hypothesis1": "a", "hypothesis2": "b", "ask-for": "effect", "label": 0},
        ("e_care choice1: a choice2: b premise: p question: effect", "choice1", 0),
    ),
    "inflection_deu": (
        {"lemma": "Haus", "tags": "N;NOM(PL)", "form": "Häuser"},
        ("inflection_deu tags: N;NOM(PL) lemma: Haus", "Häuser", -1),
    ),
    "scan_file_simple": (
        {"line": "IN: turn left OUT: I_TURN_LEFT"},
        ("scan_file_simple command: turn left", "I_TURN_LEFT", -1),
    ),
    "scan_jump": (
        {"command": "jump", "actions": "I_JUMP"},
        ("scan_jump command: jump", "I_JUMP", -1),
    ),
}


@pytest.mark.parametrize("name", WORDINGS)
def test_wording(name):
    row, expected = WORDINGS[name]
    assert tuple(row_to_example(get_task(name))(row))[:3] == expected


def test_names_are_unique_and_kinds_known():
    assert len(TASKS_BY_NAME) == len(ALL_TASKS)
    assert {task.kind for task in ALL_TASKS} == set(TASK_KINDS)
    assert all(task.metrics and task.description for task in ALL_TASKS)


@pytest.mark.parametrize("task", ALL_TASKS, ids=lambda task: task.name)
def test_a_task_travels_to_a_worker(task):
    digest = definition_digest(task)
    assert definition_digest(pickle.loads(pickle.dumps(task))) == digest
    for kind, source in (("tfds", task.tfds), ("hf", task.hf)):
        if source:
            assert pickle.loads(pickle.dumps(read_from(task, kind))).source == source


@pytest.mark.parametrize("task", ALL_TASKS, ids=lambda task: task.name)
def test_every_metric_is_one_that_evaluation_has(task):
    assert set(task.metrics) <= set(METRICS)


def test_any_language_of_the_shared_task_is_a_task():
    assert get_task("inflection_fin").source.layouts[0].files["train"].name == "fin.trn"
    with pytest.raises(UsageError, match="'inflection_english': expected inflection_ and a"):
        get_task("inflection_english")


def test_an_unknown_task_gets_a_hint():
    with pytest.raises(UsageError, match="unknown task 'ctsb'; did you mean 'stsb'"):
        get_task("ctsb")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("cola", {"label": "2"}, "unknown label: '2' is none of '0', '1'"),
        ("cola", {"sentence": ""}, "empty field: 'sentence'"),
        ("cola", {"sentence": " \t"}, "empty field: 'sentence'"),
        ("cola", {"sentence": "\u200b\ufeff\x07 "}, "empty field: 'sentence'"),
        ("cola", {"label": None}, "missing field: 'label'"),
        ("boolq", {"label": "yes"}, "unknown label: 'yes'"),
        ("stsb", {"score": "high"}, "unusable field: ValueError"),
        ("stsb", {"score": "5.5"}, "score out of range: 5.5 is not between 0 and 5"),
        ("stsb", {"score": "nan"}, "score out of range"),
        ("commonsense_qa", {"question": {"stem": "x"}}, "unusable field: KeyError"),
        ("commonsense_qa", {"question": "flat"}, "unusable field: TypeError"),
        ("commonsense_qa", {"answerKey": "F"}, "unknown label: 'F'"),
        ("scan_file_simple", {"line": "IN: turn left"}, "not a SCAN line"),
    ],
)
def test_a_row_that_cannot_be_used(name, change, reason):
    row = WORDINGS[name][0] | change
    with pytest.raises(RowError) as caught:
        row_to_example(get_task(name))(row)
    assert str(caught.value).startswith(reason)


def test_fewer_choices_than_five_are_refused():
    row = {
        "answerKey": "A",
        "question": {"stem": "x", "choices": NESTED["question"]["choices"][:4]},
    }
    with pytest.raises(RowError, match="expected A to E, found A, B, C, D"):
        row_to_example(get_task("commonsense_qa"))(row)


@pytest.mark.parametrize(
    ("score", "rounded"),
    [("0", "0.0"), ("0.1", "0.0"), ("0.11", "0.2"), ("4.917", "5.0"), ("2.5", "2.4")],
)
def test_similarities_are_rounded_to_a_fifth(score, rounded):
    assert round_similarity({"score": score}) == rounded


def test_the_definition_changes_with_the_wording():
    tasks = [
        task for task in ALL_TASKS if task.inputs is not word_squad and "xquad" not in task.name
    ]
    digests = {definition_digest(task) for task in tasks}
    assert len(digests) == len(tasks)
    assert definition_digest(get_task("rte")) == definition_digest(get_task("rte"))


def test_a_task_of_unknown_kind_is_refused():
    rte = get_task("rte")
    with pytest.raises(UsageError, match="kind 'guess'"):
        Task("x", "guess", "d", (), "", "", ("accuracy",), rte.source)
