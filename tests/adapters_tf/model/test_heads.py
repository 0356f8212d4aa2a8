"""Heads on the encoder beside what numpy computes of the encoder's states."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import BottleneckConfig, ConfigurationError, PromptConfig, TaskModel, load_backbone
from adapters_tf.model.forward import encode
from adapters_tf.model.heads import HeadOf, HeadShape

pytestmark = pytest.mark.slow

SMALL = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_heads": 4, "num_layers": 1}
SMALL |= {"num_decoder_layers": 1, "dropout_rate": 0.0}
HEADS = {
    "topic": HeadOf("classification", 3),
    "rating": HeadOf("regression"),
    "answer": HeadOf("multiple_choice", 2),
}
TASKS = (*HEADS, "summary")


METHOD, PLAIN = BottleneckConfig(reduction_factor=4), HeadShape()


def make(shape=PLAIN, heads=HEADS, method=METHOD, **settings):
    """A model with every weight drawn, the biases and the query too."""
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=SMALL, seed=0)
    model = TaskModel(backbone, TASKS, method, heads=heads, head_shape=shape, **settings)
    random = np.random.default_rng(1)
    for bank in model.heads.banks.values():
        bank.assign(random.normal(size=bank.shape).astype(np.float32))
    return model


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture
def tokens():
    """Four texts of 6, 3, 1 and 5 tokens."""
    tokens = np.random.default_rng(0).integers(3, 50, (4, 6)).astype(np.int32)
    for row, length in enumerate((6, 3, 1, 5)):
        tokens[row, length:] = 0
    return tokens


def batch_of(tokens, task):
    return {"encoder_input_tokens": tf.constant(tokens), "task": tf.fill([len(tokens)], task)}


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def by_hand(model, tokens, task):
    """What a head makes of each text, one after the other, without padding; float [texts, O]."""
    banks = {name: bank.numpy()[task] for name, bank in model.heads.banks.items()}
    batch = batch_of(tokens, task)
    with model.route(batch):
        states = encode(model.backbone, batch).numpy()[:, -tokens.shape[1] :]
    answers = []
    for row, text in enumerate(tokens):
        own = states[row, : np.count_nonzero(text)]
        weights = np.full(len(own), 1 / len(own))
        if "query" in banks:
            weights = softmax(own @ banks["query"] / 4.0)
        hidden = own[0] if model.heads.shape.pooling == "first" else weights @ own
        for number in range(model.heads.shape.layers):
            kernel, bias = banks[f"hidden_{number}_kernel"], banks[f"hidden_{number}_bias"]
            hidden = np.tanh(hidden @ kernel + bias)
        answers.append(hidden @ banks["output_kernel"] + banks["output_bias"])
    return np.array(answers)


@pytest.mark.parametrize("shape", [("mean", 0), ("first", 1), ("attention", 2)])
def test_answers_are_what_numpy_computes(shape, tokens):
    model = make(HeadShape(*shape, dropout=0.5))
    for task in (0, 1):
        expected, found = by_hand(model, tokens, task), model.answer(batch_of(tokens, task))
        count = HEADS[TASKS[task]].outputs
        np.testing.assert_allclose(found[:, :count], expected[:, :count], rtol=1e-4, atol=1e-5)
        assert (found.numpy()[:, count:] < -1e8).all(), "classes that the task has not"


def test_choices_are_scored_as_texts_of_their_own(model, tokens):
    """The bias of the last layer, the same for all of them, has no part in it."""
    choices = np.stack([tokens, tokens[::-1]], 1)
    bias = model.heads.output_bias
    with tf.GradientTape() as tape:
        found = model.answer(batch_of(choices, 2))
        loss = tf.reduce_sum(found**2)
    assert tape.gradient(loss, bias) is None
    expected = [by_hand(model, np.ascontiguousarray(texts), 2) for texts in (tokens, tokens[::-1])]
    expected = np.stack([one[:, 0] for one in expected], 1) - bias[2, 0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_prompt_is_no_part_of_the_text(tokens):
    model = make(HeadShape("mean"), method=PromptConfig(length=3))
    found = model.answer(batch_of(tokens, 1)).numpy()
    np.testing.assert_allclose(found[:, 0], by_hand(model, tokens, 1)[:, 0], rtol=1e-4)


def test_routed_by_example_each_has_the_head_of_its_task(model, tokens):
    mixed = make(routing="example")
    tasks = tf.constant([1, 0, 0, 1])
    found = mixed.answer({**batch_of(tokens, 0), "task": tasks}).numpy()
    alone = [model.answer(batch_of(tokens, task)).numpy() for task in (0, 1)]
    for row, task in enumerate(tasks.numpy()):
        np.testing.assert_allclose(found[row], alone[task][row], rtol=1e-4, atol=1e-5)


def test_only_the_row_of_the_task_has_a_gradient(model, tokens):
    variables = list(model.heads.banks.values())
    with tf.GradientTape() as tape:
        tape.watch(variables)
        loss = tf.reduce_sum(model.answer(batch_of(tokens, 1))[:, 0])
    for gradient in tape.gradient(loss, variables):
        assert set(gradient.indices.numpy()) == {1}
        assert np.abs(gradient.values.numpy()).sum() > 0


def test_the_decoder_trains_where_a_task_answers_in_words(model):
    paths = model.trainable_by_path()
    assert any(path.startswith("decoder.") for path in paths)
    assert {path for path in paths if path.startswith("heads.")} == {
        "heads.output_kernel",
        "heads.output_bias",
    }
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=SMALL, seed=0)
    headed = TaskModel(backbone, tuple(HEADS), METHOD, heads=HEADS)
    assert not any(path.startswith("decoder.") for path in headed.trainable_by_path())
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=SMALL, seed=0)
    whole = TaskModel(backbone, tuple(HEADS), heads=HEADS)
    paths = whole.trainable_by_path()
    assert "shared.shared.embeddings" in paths and any(
        path.startswith("encoder.") for path in paths
    )
    assert not any(path.startswith(("decoder.", "lm_head.")) for path in paths)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: HeadShape(pooling="men"), "did you mean 'mean'"),
        (lambda: HeadShape(layers=-1), "heads.layers"),
        (lambda: HeadShape(dropout=1.0), "heads.dropout"),
        (lambda: HeadOf("generation"), "answers no 'generation'"),
        (lambda: HeadOf("classification", 1), "2 answers or more"),
        (lambda: make(heads={"topics": HEADS["topic"]}), "did you mean 'topic'"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        wrong()


def test_a_model_without_heads_answers_in_words_alone(tokens):
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=SMALL, seed=0)
    with pytest.raises(ConfigurationError, match="no heads"):
        TaskModel(backbone, TASKS).answer(batch_of(tokens, 0))
    assert dataclasses.asdict(HeadShape()) == {"pooling": "mean", "layers": 0, "dropout": 0.1}
