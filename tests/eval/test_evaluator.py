import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval import Answerer, Beams, Decoding, Evaluator, trivial_answer, trivial_baseline
from eval.decoding import batching
from eval.decoding.answerer import answer_length
from eval.session import open_session
from prep import UsageError, Vocabulary, load_manifest, read_split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened(dataset):
    manifest = load_manifest(dataset)
    return dataset, manifest, Vocabulary(dataset / manifest.vocabulary.file, 0)


@pytest.fixture(scope="module")
def evaluator(opened, adapted_model):
    _, manifest, vocabulary = opened
    return Evaluator(adapted_model, manifest, vocabulary, batch_size=4, input_length=6)


def test_every_example_is_answered_in_the_order_of_the_table(opened, evaluator, adapted_model):
    """Thirteen examples in batches of four equal one batch of all, padding rows dropped."""
    folder, manifest, vocabulary = opened
    whole = Evaluator(adapted_model, manifest, vocabulary, batch_size=13, input_length=6)
    for task in ("colour", "copy"):
        entry = manifest.task(task)
        table = read_split(folder, manifest, task, "validation")
        tokens = evaluator.answerer.predict_tokens(entry, table)
        np.testing.assert_array_equal(tokens, whole.answerer.predict_tokens(entry, table))
        assert tokens.shape == (13, answer_length(entry))
        assert len({row.tobytes() for row in tokens}) > 1


def test_predictions_come_in_the_order_of_the_source(opened, evaluator):
    folder, manifest, _ = opened
    table = read_split(folder, manifest, "copy", "validation")
    assert table.examples.tolist() != sorted(table.examples.tolist())
    reported = []
    result = evaluator.evaluate("copy", table, reported.append)
    assert [prediction.example for prediction in result.predictions] == list(range(13))
    assert (result.task, result.examples, reported) == ("copy", 13, [4, 10, 13])
    for prediction in result.predictions:
        assert table.examples[prediction.row] == prediction.example
        assert 0 not in prediction.token_ids[-1:]


def test_free_answers_have_no_figures_of_probabilities(opened, adapted_model):
    folder, manifest, vocabulary = opened
    table = read_split(folder, manifest, "colour", "validation")

    def evaluator_of(*metrics, restricted):
        entry = replace(manifest.task("colour"), metrics=metrics)
        changed = replace(manifest, tasks={**manifest.tasks, "colour": entry})
        decoding = Decoding(restricted=restricted)
        sizes = {"batch_size": 13, "input_length": 6}
        return Evaluator(adapted_model, changed, vocabulary, **sizes, decoding=decoding)

    free = evaluator_of("accuracy", "roc_auc", "log_loss", restricted=False)
    assert list(free.evaluate("colour", table).metrics) == ["accuracy"]
    choosing = evaluator_of("accuracy", "log_loss", restricted=True)
    assert list(choosing.evaluate("colour", table).metrics) == ["accuracy", "log_loss"]
    alone = evaluator_of("roc_auc", restricted=False)
    with pytest.raises(UsageError, match="roc_auc need probabilities of label words"):
        alone.evaluate("colour", table)


def test_a_model_that_is_always_right_scores_one(opened, evaluator, monkeypatch):
    folder, manifest, vocabulary = opened
    for task, entry in manifest.tasks.items():
        table = read_split(folder, manifest, task, "validation")
        right = np.zeros((len(table), 8), np.int32)
        for row in range(len(table)):
            right[row, : len(table.target_ids(row))] = table.target_ids(row)
        monkeypatch.setattr(evaluator.answerer, "decoding", Decoding(restricted=False))
        monkeypatch.setattr(evaluator.answerer, "predict_tokens", lambda *args, right=right: right)
        result = evaluator.evaluate(task, table)
        assert result.metrics == pytest.approx(dict.fromkeys(entry.metrics, 1.0))
        assert result.unreadable == 0
        wrong = np.full((len(table), 1), vocabulary.unk_id, np.int32)
        monkeypatch.setattr(evaluator.answerer, "predict_tokens", lambda *args, wrong=wrong: wrong)
        result = evaluator.evaluate(task, table)
        assert set(result.metrics.values()) == {0.0}
        assert result.unreadable == (0 if task == "copy" else 13)


def test_any_of_several_right_answers_will_do(opened, evaluator, monkeypatch):
    folder, manifest, vocabulary = opened
    entry = manifest.task("copy")
    table = read_split(folder, manifest, "copy", "validation")
    given = vocabulary.decode(table.target_ids(0))
    tokens = np.zeros((len(table), 8), np.int32)
    tokens[:, : len(table.target_ids(0))] = table.target_ids(0)
    monkeypatch.setattr(evaluator.answerer, "predict_tokens", lambda *args: tokens)
    references = (("nothing like it", given),) + (("x",),) * (len(table) - 1)
    result = evaluator.evaluate("copy", replace(table, references=references))
    assert result.metrics[entry.metrics[0]] == pytest.approx(1 / 13)
    first = next(prediction for prediction in result.predictions if prediction.row == 0)
    assert first.target == "nothing like it" and first.references == references[0]
    assert all(not prediction.references for prediction in result.predictions if prediction.row)


def test_decoding_single_token_labels_takes_one_step(opened):
    _, manifest, _ = opened
    lengths = {name: answer_length(entry) for name, entry in manifest.tasks.items()}
    assert lengths == {"colour": 1, "pick": 4, "grade": 4, "copy": 6}


def test_one_program_serves_all_tasks_of_a_length(opened, evaluator, monkeypatch):
    """And all their batches: the model is run in Python once, as it is traced."""
    folder, manifest, vocabulary = opened
    traced, make_predictor = [], Answerer._predictor

    def counting(self, key, make):
        def made():
            model = make()
            call = model.call

            def counted(*given, **more):
                traced.append(key)
                return call(*given, **more)

            model.call = counted
            return model

        return make_predictor(self, key, made)

    monkeypatch.setattr(Answerer, "_predictor", counting)
    model = evaluator.answerer.model
    answerer = Answerer(model, manifest, vocabulary, batch_size=4, input_length=6)
    for task in ("pick", "grade"):
        answerer.predict_tokens(manifest.task(task), read_split(folder, manifest, task, "train"))
    assert len(answerer._predictors) == len(traced) == 1
    (predictor,) = answerer._predictors.values()
    assert len(predictor._programs) == 1


def test_an_unknown_task_names_the_nearest(opened, evaluator):
    folder, manifest, _ = opened
    table = read_split(folder, manifest, "copy", "train")
    with pytest.raises(UsageError, match=r"no task 'cop'; did you mean 'copy'"):
        evaluator.evaluate("cop", table)


def test_the_trivial_baseline(opened):
    folder, manifest, vocabulary = opened
    tables = {task: read_split(folder, manifest, task, "train") for task in manifest.tasks}

    def baseline(task):
        entry = manifest.task(task)
        answer = trivial_answer(entry, tables[task], vocabulary)
        return answer, trivial_baseline(entry, tables[task], tables[task], vocabulary)

    # Seven of thirteen numbers are even: F1 of class 1 is 0 when all answers are class 0.
    answer, figures = baseline("colour")
    assert (answer, figures) == ("yes", {"accuracy": pytest.approx(7 / 13), "f1": 0.0})
    # The numbers 0–12 modulo 6 sum to 30.
    answer, figures = baseline("grade")
    assert float(answer) == pytest.approx(30 / 13)
    assert figures == {"pearson": 0.0, "spearman": 0.0}


ON_TWO_DEVICES = """
import json, sys
from eval import Answerer, Beams, Decoding
from eval.decoding import batching
from eval.session import open_session
from prep import read_split
batching.SHARES, batching.STEP, batching.WORTH_A_PROGRAM = (2,), 2, 1
session = open_session(sys.argv[1], batch_size=8, logical_devices=2)
answerer = session.evaluator.answerer
assert answerer.strategy.num_replicas_in_sync == 2
answers, scores = {}, {}
for task in ("colour", "pick", "copy"):
    table = read_split(session.dataset, session.manifest, task, "validation")
    given = answerer.answer(session.manifest.task(task), table)
    answers[task] = given.texts
    scores[task] = None if given.scores is None else given.scores.tolist()
searching = Answerer(
    session.run.model, session.manifest, session.vocabulary, batch_size=8,
    input_length=answerer.input_length, strategy=answerer.strategy,
    decoding=Decoding(Beams(2, n_best=2)),
)
found = searching.predict_answers(session.manifest.task("copy"), table)
lengths = [sorted(one._static.used) for one in answerer._predictors.values()]
print(json.dumps([answers, scores, found.tokens.tolist(), lengths]))
"""


def test_two_replicas_answer_as_one_does(run_folder):
    """Devices are split before TensorFlow starts, so the two have a process of their own."""
    result = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, str(run_folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    answers, scores, searched, lengths = json.loads(result.stdout.splitlines()[-1])
    assert all(len(used) == 2 for used in lengths), lengths  # each program, at two lengths
    decoding = Decoding(Beams(2, n_best=2))
    session = open_session(str(run_folder), batch_size=8, decoding=decoding)
    table = read_split(session.dataset, session.manifest, "copy", "validation")
    found = session.evaluator.answerer.predict_answers(session.manifest.task("copy"), table)
    np.testing.assert_array_equal(searched, found.tokens)
    session = open_session(str(run_folder), batch_size=8)
    for task, texts in answers.items():
        table = read_split(session.dataset, session.manifest, task, "validation")
        alone = session.evaluator.answerer.answer(session.manifest.task(task), table)
        assert texts == alone.texts
        if alone.scores is not None:
            np.testing.assert_allclose(scores[task], alone.scores, rtol=1e-5, atol=1e-5)
    assert len(set(answers["copy"])) > 3


def test_compiling_with_xla_changes_no_answer(opened, evaluator, adapted_model, monkeypatch):
    monkeypatch.setattr(batching, "SHARES", (2,))
    monkeypatch.setattr(batching, "STEP", 2)
    monkeypatch.setattr(batching, "WORTH_A_PROGRAM", 1)
    folder, manifest, vocabulary = opened
    compiled = Evaluator(
        adapted_model, manifest, vocabulary, batch_size=4, input_length=6, jit_compile=True
    )
    for task in ("colour", "copy"):
        table = read_split(folder, manifest, task, "validation")
        entry = manifest.task(task)
        found = compiled.answerer.answer(entry, table)
        assert found.texts == evaluator.answerer.answer(entry, table).texts
    for predictor in compiled.answerer._predictors.values():
        lengths = predictor._static.used
        assert len(lengths) == 2 and predictor._run.experimental_get_tracing_count() == len(lengths)


def test_a_batch_the_replicas_do_not_divide_is_refused(opened, adapted_model):
    class FourReplicas:
        num_replicas_in_sync = 4

    _, manifest, vocabulary = opened
    with pytest.raises(
        UsageError, match=r"batch of 6 cannot be divided among 4 replicas; use 4 or 8"
    ):
        Evaluator(
            adapted_model,
            manifest,
            vocabulary,
            batch_size=6,
            input_length=6,
            strategy=FourReplicas(),
        )
