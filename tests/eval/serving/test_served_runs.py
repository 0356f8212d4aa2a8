"""Exports of runs: the answers are those of `eval`, with nothing but TensorFlow to find them."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.model.stored_matrices import STORED_DTYPES
from adapters_tf.runs.config import read_config
from eval import __main__ as evaluate
from eval import export_serving
from eval.decoding.options import Beams, Decoding
from eval.predicting.asking import TextAnswerer
from eval.serving.exporting import plan_tasks, trace_run
from eval.serving.model import DEFAULT
from eval.session import open_session
from prep import DataError, load_manifest, read_vocabulary, run_command
from prep.tasks.tasks_file import load_tasks

pytestmark = pytest.mark.slow

HEADED = ("colour", "size", "place")
TASKS = (*HEADED, "owner", "ending")
TEXTS = ["ann has a red cup", "bob", "blue blue cup has a red a ann bob bob red cup"]
PLACES = [" here</s>".join([text, f"{text} there</s>{text} away"]) for text in TEXTS]
# What runs beside nothing but TensorFlow and tensorflow-text.
FRESH = """
import json, sys
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
answers = []
for name, asked in json.loads(sys.stdin.read()):
    try:
        found = model.signatures[name](**{key: tf.constant(asked[key]) for key in asked})
    except tf.errors.InvalidArgumentError as error:
        answers.append(error.message)
    else:
        found = {key: value.numpy().tolist() for key, value in found.items()}
        found["answer"] = [answer.decode() for answer in found["answer"]]
        found["labels"] = [[word.decode() for word in row] for row in found.get("labels", ())]
        answers.append(found)
ours = {"transformers", "sentencepiece", "eval", "prep", "adapters_tf"} & set(sys.modules)
print(json.dumps([answers, sorted(ours)]))
"""
PAIRS = [(row, task) for row in range(len(TEXTS)) for task in TASKS]
FIELDS = {"thing": ["a cup", "x"], "text": ["red {0}", "blue"]}
WORDED = ["colour of a cup: red {0} {a cup}", "colour of x: blue {x}"]
REFUSED = {
    "out of colour, .*got.*onwer": {"text": ["a", "b"], "task": ["owner", "onwer"]},
    "as many names in `task`": {"text": ["a", "b"], "task": ["owner"]},
    r"a text is empty; rows from 0: 1\]": {"text": ["a", "\u200b\n"], "task": ["size", "size"]},
    r"the texts of 3 choices .*, got as many as 2\]": {"text": ["a</s>b"], "task": ["place"]},
}


def run(*arguments):
    words = ["export-serving", *map(str, arguments)]
    return run_command(evaluate.main, words)


def texts_of(task):
    return PLACES if task == "place" else TEXTS


@pytest.fixture(scope="module")
def headed(make_run):
    """A run with heads for some of its tasks, and what it answers."""
    folder = make_run(TASKS, HEADED)
    session = open_session(str(folder))
    return folder, {task: TextAnswerer(session, task)(texts_of(task)) for task in TASKS}


@pytest.fixture(scope="module")
def exported(headed, things, tmp_path_factory):
    """The folder of its export."""
    out = tmp_path_factory.mktemp("exports") / "things"
    own = ("--tasks-file", things / "tasks.yaml", "--check-on", "none")
    assert run("--run", headed[0], "--out", out, *own) == 0
    return out


@pytest.fixture(scope="module")
def fresh(exported, headed):
    """What a fresh process answers with the export, by what it was asked."""
    mixed = {"text": [texts_of(task)[row] for row, task in PAIRS]}
    asked = {
        "mixed": (DEFAULT, {**mixed, "task": [task for _, task in PAIRS]}),
        **{task: (task, {"text": texts_of(task)}) for task in TASKS},
        "fields": ("colour.columns", FIELDS),
        "worded": (DEFAULT, {"text": WORDED, "task": ["colour"] * 2}),
        "blank": ("colour.columns", {**FIELDS, "thing": ["a cup", " \u3000"]}),
        "cut": (DEFAULT, {"text": [TEXTS[2], shorten(headed[0])], "task": ["ending"] * 2}),
        **{said: (DEFAULT, given) for said, given in REFUSED.items()},
    }
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(exported / "1")],
        input=json.dumps(list(asked.values())),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers, ours = json.loads(done.stdout)
    assert ours == []
    return dict(zip(asked, answers, strict=True))


def shorten(folder):
    """Cut the longest text as a dataset does, to nine tokens with a marker in their middle."""
    settings = read_config(folder)
    vocabulary = read_vocabulary(settings.dataset, load_manifest(settings.dataset))
    ids = vocabulary.encode(TEXTS[2])
    assert len(ids) > 9
    return vocabulary.decode([*ids[:3], vocabulary.sentinel_id(1), *ids[-4:]])


def test_the_folder_says_what_it_is(exported, headed):
    about = json.loads((exported / "export.json").read_text())
    assert (about["run"], about["step"], about["weights"]) == (str(headed[0]), 7, "float32")
    assert about["decoding"]["strategy"] == "greedy" and len(about["dataset_digest"]) == 64
    ending, colour = about["tasks"]["ending"], about["tasks"]["colour"]
    assert (ending["truncation"], ending["max_input_length"]) == ("head_tail", 9)
    assert colour["template"] == "colour of {thing}: {text} {{{thing}}}"
    assert about["tasks"]["place"]["choices"] == 3 and about["check"] is None
    signatures = about["signatures"]
    assert signatures["serving_default"]["inputs"] == ["text", "task"]
    assert signatures["colour.columns"]["inputs"] == ["thing", "text"]
    assert signatures["ending"]["outputs"] == ["answer", "score"]
    assert "place.columns" not in signatures


def test_a_fresh_process_answers_mixed_tasks_as_the_run_does(fresh, headed):
    found = fresh["mixed"]
    for place, (row, task) in enumerate(PAIRS):
        expected = headed[1][task][row]
        answer, score = found["answer"][place], found["score"][place]
        if task == "size":
            assert float(answer) == pytest.approx(float(expected.text), rel=1e-5)
            assert score == pytest.approx(float(answer), rel=1e-5)
            continue
        assert answer == expected.text, (task, row)
        assert score == pytest.approx(expected.ranked[0].score, abs=1e-5) or task == "ending"
        words, shares = found["labels"][place], found["probabilities"][place]
        told = dict(zip(words, shares, strict=True)) if expected.probabilities else {}
        told.pop("", None)  # of tasks with fewer words than another
        assert told == pytest.approx(dict(expected.probabilities), abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_s_own_signature_answers_as_the_one_of_all_does(fresh, task):
    places = [place for place, (_, name) in enumerate(PAIRS) if name == task]
    alone, mixed = fresh[task], fresh["mixed"]
    assert alone["score"] == pytest.approx([mixed["score"][place] for place in places], abs=1e-5)
    if task != "size":
        assert alone["answer"] == [mixed["answer"][place] for place in places]


@pytest.mark.parametrize(("weights", "most"), [("bfloat16", 0.03), ("int8", 0.1)])
def test_smaller_weights_are_near_and_not_the_same(headed, fresh, things, weights, most):
    session = open_session(str(headed[0]))
    declared = {task.name: task for task in load_tasks(things / "tasks.yaml")}
    _, signatures = trace_run(session, plan_tasks(session, ("colour",), declared), weights)
    found = signatures["colour"](text=tf.constant(TEXTS))["probabilities"].numpy()
    apart = np.abs(found - np.array(fresh["colour"]["probabilities"])).max()
    assert 1e-6 < apart < most


def test_fields_are_worded_inside(fresh):
    assert fresh["fields"]["probabilities"] == pytest.approx(
        np.array(fresh["worded"]["probabilities"]), abs=1e-6
    )
    assert "field thing is empty; rows from 0: 1]" in fresh["blank"]


def test_long_texts_are_cut_as_in_the_dataset(fresh):
    """With a marker where the middle was, which `eval.predict` does not put there."""
    answers, scores = fresh["cut"]["answer"], fresh["cut"]["score"]
    assert answers[0] == answers[1] and scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_answered_is_refused(fresh, said):
    assert re.search(said, fresh[said])


def test_beams_and_long_label_words_where_a_batch_mixes_tasks(make_run, things):
    session = open_session(
        str(make_run(("mood", "ending"), routing="example")),
        decoding=Decoding(beams=Beams(3, length_penalty=0.5), per_token=True),
    )
    declared = {task.name: task for task in load_tasks(things / "tasks.yaml")}
    answers = {task: TextAnswerer(session, task)(TEXTS[:2]) for task in ("mood", "ending")}
    _, signatures = trace_run(session, plan_tasks(session, ("ending", "mood"), declared), "float32")
    pairs = [(row, task) for row in range(2) for task in ("mood", "ending")]
    found = signatures["serving_default"](
        text=tf.constant([TEXTS[row] for row, _ in pairs]),
        task=tf.constant([task for _, task in pairs]),
    )
    for place, (row, task) in enumerate(pairs):
        expected = answers[task][row]
        assert found["answer"][place].numpy().decode() == expected.text
        score = float(found["score"][place])
        assert score == pytest.approx(expected.ranked[0].score, abs=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(found["probabilities"], 1), [1, 0, 1, 0], atol=1e-6)


def test_weights_of_eight_bits_are_near(make_run, tmp_path, capsys):
    """Of a run without label words, which its signatures do not return then."""
    folder, out = make_run(("ending",)), tmp_path / "small"
    options = ("--weights", "int8", "--beams", 2, "--check-examples", 4)
    assert run("--run", folder, "--out", out, *options) == 0
    about = json.loads((out / "export.json").read_text())
    assert about["weights"] == "int8" and about["decoding"]["beams"] == 2
    assert list(about["signatures"]) == ["serving_default", "ending"]
    check = about["check"]["tasks"]["ending"]
    assert check["examples"] == 4
    assert check["largest_score_difference"] is None or check["largest_score_difference"] < 0.5
    assert about["tasks"]["ending"]["text_begins_with"] == "ending:"
    assert "of 4 answers on validation are those of the run" in capsys.readouterr().out
    signature = tf.saved_model.load(str(out / "1")).signatures["serving_default"]
    found = signature(text=tf.constant(TEXTS[:2]), task=tf.constant(["ending"] * 2))
    assert set(found) == {"answer", "score"} and found["score"].shape == [2]
    before = (out / "export.json").read_bytes()
    assert run("--run", folder, "--out", out) == 2
    assert "has an export already; --force replaces it" in capsys.readouterr().err
    assert (out / "export.json").read_bytes() == before


def test_weights_are_named_alike():
    assert export_serving.STORED == STORED_DTYPES


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--out", "gs://bucket/x"), 2, "is an address"),
        (("--out", "{here}"), 2, "is there already, and no export"),
        (("--out", "x", "--check-examples", "0"), 2, "expected 1 or more"),
        (("--out", "x", "--check-on", "vaildation"), 2, "did you mean 'validation'"),
        (("--out", "x", "--tasks", "onwer"), 2, "no task 'onwer'; did you mean 'owner'"),
        (("--out", "x", "--weights", "int4"), 2, "there is no 'int4'"),
        (("--out", "x", "--per-token", "--free-answers"), 2, "--per-token compares label words"),
        (("--out", "x", "--top-k", "5"), 2, "gives the same question the same answer"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(headed, tmp_path, capsys, options, code, said):
    words = [word.format(here=tmp_path) for word in options]
    assert run("--run", headed[0], *words) == code
    assert said in capsys.readouterr().err


def test_what_tensorflow_cannot_write_is_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the export cannot be written: .*file"):
        export_serving.save(tf.Module(), tmp_path / "file" / "1", {})
