"""Scores of label words, against the whole vocabulary's scores and one label at a time."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import PrefixConfig, TaskModel
from eval.decoding.answerer import Answerer
from eval.decoding.labels import LabelTextModel, LabelTexts, LabelWordModel, share_out_scores
from eval.decoding.options import Decoding
from eval.decoding.predictor import TokenPredictor
from prep import Vocabulary, load_manifest, read_split

pytestmark = pytest.mark.slow
EOS = 1
LABELS = ((7, 8), (7, 9, 10), (5,))


@pytest.fixture(scope="module")
def inputs():
    tokens = np.random.default_rng(1).integers(2, 60, (4, 5)).astype(np.int32)
    tokens[1, 3:] = 0
    return tokens


def score_alone(model, tokens, task, label):
    """The log-likelihood of a label and EOS by the plain forward pass, [B]."""
    target = np.tile([*label, EOS], (len(tokens), 1))
    given = np.concatenate([np.zeros((len(tokens), 1), int), target[:, :-1]], 1)
    batch = {
        "encoder_input_tokens": tf.constant(tokens),
        "decoder_input_tokens": tf.constant(given, tf.int32),
        "task": tf.constant(np.broadcast_to(task, len(tokens)), tf.int32),
    }
    logs = tf.nn.log_softmax(model(batch)).numpy()
    return np.take_along_axis(logs, target[..., None], -1)[..., 0].sum(1)


def label_batch(tokens, task, **labels):
    rows = len(tokens)
    batch = {"encoder_input_tokens": tokens, "task": np.full(rows, task, np.int32)}
    batch |= {key: np.tile(values, (rows, 1)) for key, values in labels.items()}
    return {key: tf.constant(value) for key, value in batch.items()}


@pytest.mark.parametrize("name", ["t5", "t5_v1_1"])  # a table tied to the embedding, and a head
def test_words_are_scored_among_themselves(golden, inputs, name):
    model = TaskModel(golden(name)[0], ("only",))
    words = np.array([9, 30, 11, 0], np.int32)  # the last is none
    found = LabelWordModel(model)(label_batch(inputs, 0, label_tokens=words)).numpy()
    start = tf.zeros((4, 1), tf.int32)
    batch = label_batch(inputs, 0) | {"decoder_input_tokens": start}
    every = model(batch).numpy()[:, 0]
    right = tf.nn.log_softmax(every[:, words[:3]]).numpy()
    np.testing.assert_allclose(found[:, :3], right, atol=1e-5)
    assert (np.exp(found[:, 3]) == 0).all()


@pytest.mark.parametrize("name", ["t5", "t5_v1_1"])
def test_no_other_row_of_the_table_is_multiplied(golden, inputs, name):
    model = TaskModel(golden(name)[0], ("only",))
    words = label_batch(inputs, 0, label_tokens=np.array([9, 30], np.int32))
    texts = LabelTexts.of(LABELS)
    labels = {"label_tokens": texts.tokens, "label_numbers": texts.numbers}
    batches = {LabelWordModel: words, LabelTextModel: label_batch(inputs, 0, **labels)}
    every = model.backbone.config.vocab_size
    over_all = []
    for kind, batch in batches.items():
        program = tf.function(kind(model), autograph=False).get_concrete_function(batch)
        products = [op for op in program.graph.get_operations() if "MatMul" in op.type]
        assert products
        over_all.append([op for op in products if op.outputs[0].shape[-1] == every])
    assert not over_all[0] and over_all[1]  # texts do need every row's score


@pytest.mark.parametrize("name", ["t5", "t5_v1_1"])
def test_texts_side_by_side_score_as_each_alone(golden, inputs, name):
    model = TaskModel(golden(name)[0], ("only",))
    texts = LabelTexts.of(LABELS)
    assert texts.tokens.tolist() == [7, 8, EOS, 7, 9, 10, EOS, 5, EOS, *[0] * 7]
    assert texts.numbers.tolist() == [1, 1, 1, 2, 2, 2, 2, 3, 3, *[0] * 7]
    batch = label_batch(inputs, 0, label_tokens=texts.tokens, label_numbers=texts.numbers)
    scores = LabelTextModel(model)(batch).numpy()
    right = np.stack([score_alone(model, inputs, 0, label) for label in LABELS], 1)
    np.testing.assert_allclose(texts.add_up(scores, per_token=False), right, atol=1e-4)
    mean = texts.add_up(scores, per_token=True)
    np.testing.assert_allclose(mean, right / [3, 4, 2], atol=1e-4)


def test_each_row_is_scored_by_its_own_tasks_adapters_where_routing_is_by_example(
    adapted_model, inputs, monkeypatch
):
    texts = LabelTexts.of(LABELS)
    batch = label_batch(inputs, 0, label_tokens=texts.tokens, label_numbers=texts.numbers)
    tasks = np.array([2, 0, 1, 2], np.int32)
    monkeypatch.setattr(adapted_model, "is_routed_by_example", True)
    mixed = LabelTextModel(adapted_model)(batch | {"task": tf.constant(tasks)}).numpy()
    right = [
        [score_alone(adapted_model, inputs[[row]], task, label)[0] for label in LABELS]
        for row, task in enumerate(tasks)
    ]
    np.testing.assert_allclose(texts.add_up(mixed, per_token=False), right, atol=1e-4)


@pytest.fixture(scope="module")
def opened(dataset):
    manifest = load_manifest(dataset)
    return dataset, manifest, Vocabulary(dataset / manifest.vocabulary.file, 0)


def answer(model, opened, task, **decoding):
    folder, manifest, vocabulary = opened
    answerer = Answerer(
        model, manifest, vocabulary, batch_size=4, input_length=6, decoding=Decoding(**decoding)
    )
    table = read_split(folder, manifest, task, "validation")
    return answerer.answer(manifest.task(task), table), table


@pytest.mark.parametrize("task", ["colour", "pick"])  # labels of one token, and of two
def test_a_task_with_labels_is_answered_with_the_likeliest(adapted_model, opened, task):
    found, table = answer(adapted_model, opened, task)
    _, manifest, _ = opened
    entry, row = manifest.task(task), adapted_model.task_names.index(task)
    tokens = np.zeros((len(table), 6), np.int32)
    for number in range(len(table)):
        ids = table.input_ids(number)
        tokens[number, : len(ids)] = ids
    if task == "pick":
        right = [score_alone(adapted_model, tokens, row, ids) for ids in entry.label_token_ids]
        np.testing.assert_allclose(found.scores, np.stack(right, 1), atol=1e-4)
    else:
        start = {"decoder_input_tokens": tf.zeros((len(table), 1), tf.int32)}
        every = adapted_model(label_batch(tokens, row) | start).numpy()[:, 0]
        right = tf.nn.log_softmax(every[:, np.array(entry.label_token_ids)[:, 0]])
        np.testing.assert_allclose(found.scores, right, atol=1e-4)
    best = found.scores.argmax(1)
    assert found.texts == [entry.label_words[number] for number in best]
    assert [tuple(ids) for ids in found.token_ids] == [entry.label_token_ids[n] for n in best]
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-6)
    assert found.way == "labels" and len(np.unique(found.scores.round(3), axis=0)) > 3


def test_all_labels_of_a_task_are_read_in_one_pass(adapted_model, opened, monkeypatch):
    asked, predict = [], TokenPredictor.predict

    def count(self, *given, **more):
        asked.append(more["also"])
        return predict(self, *given, **more)

    monkeypatch.setattr(TokenPredictor, "predict", count)
    answer(adapted_model, opened, "pick")
    (also,) = asked
    words = opened[1].task("pick").label_token_ids
    assert also["label_numbers"].max() == len(words) == 2
    assert set(also["label_tokens"]) == {0, EOS, *(token for word in words for token in word)}


def test_free_answers_are_decoded(adapted_model, opened):
    found, _ = answer(adapted_model, opened, "colour", restricted=False)
    assert found.way == "decoded" and found.scores is None
    assert not set(found.texts) <= {"yes", "no"}


def test_prefixes_with_positions_are_asked_for_one_label_at_a_time(golden, opened):
    """A row of several targets has other distances to them; the answers are right all the same."""
    methods = PrefixConfig(length=3, reparametrize=False, positions="before")
    model = TaskModel(golden()[0], ("colour", "pick", "grade", "copy"), methods)
    assert not model.reads_several_targets()
    found, table = answer(model, opened, "pick", per_token=True)
    words = opened[1].task("pick").label_token_ids
    tokens = np.zeros((len(table), 6), np.int32)
    for number in range(len(table)):
        tokens[number, : len(table.input_ids(number))] = table.input_ids(number)
    right = np.stack([score_alone(model, tokens, 1, ids) for ids in words], 1)
    np.testing.assert_allclose(found.scores, right / 3, atol=1e-4)


def test_scores_are_shared_out():
    shares = share_out_scores(np.array([[0.0, np.log(3)], [-1e9, 5.0]]))
    np.testing.assert_allclose(np.exp(shares), [[0.25, 0.75], [0, 1]])
