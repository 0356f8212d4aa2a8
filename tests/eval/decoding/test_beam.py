"""Beam search beside a plain one, all sequences there are, greedy decoding and the forward pass.

`python -m benchmarks.parity.beams` compares it with PyTorch's `generate`.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import BottleneckConfig, PrefixConfig, TaskModel
from eval import BeamModel, GreedyModel
from eval.decoding.options import Beams
from prep import UsageError
from tests.adapters_tf.methods.cases import for_every_name, make_model, shake

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]
VOCABULARY = 96


def make_batch(rows, seed=0, task=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 12, (rows, 1))
    tokens = random.integers(2, VOCABULARY, (rows, 11)) * (np.arange(11) < lengths)
    return {
        "encoder_input_tokens": tf.constant(tokens, tf.int32),
        "task": tf.fill([rows], task),
    }


def log_probabilities(model, batch, tokens):
    """Of the next token after each of a row's beginnings [K, t]: the whole model again."""
    start = np.zeros((len(tokens), 1), np.int32)
    rows = {key: tf.repeat(value, len(tokens), axis=0) for key, value in batch.items()}
    shifted = np.concatenate([start, np.array(tokens, np.int32).reshape(len(tokens), -1)], 1)
    logits = model({**rows, "decoder_input_tokens": tf.constant(shifted)})[:, -1]
    return tf.nn.log_softmax(logits).numpy()


def search_plainly(model, batch, length, ends, beams, length_penalty, early_stopping):
    """Beam search of one row as a person would write it; answers [(score, tokens)], best first."""
    running, done, can_improve = [(0.0, [])], [], True
    for step in range(length):
        found = log_probabilities(model, batch, [tokens for _, tokens in running])
        candidates = sorted(
            (
                (score + float(more[token]), [*tokens, token])
                for (score, tokens), more in zip(running, found, strict=True)
                for token in range(VOCABULARY)
            ),
            key=lambda candidate: -candidate[0],
        )[: (1 + len(ends)) * beams]
        is_full = early_stopping is True and len(done) == beams
        running = []
        for rank, (score, tokens) in enumerate(candidates):
            if tokens[-1] not in ends and step + 1 < length:
                running.append((score, tokens))
            elif rank < beams and can_improve and not is_full:
                done.append((score / (step + 1) ** length_penalty, tokens))
        done = sorted(done, key=lambda answer: -answer[0])[:beams]
        if not (running := running[:beams]) or (early_stopping is True and len(done) == beams):
            break
        is_long = early_stopping == "never" and length_penalty > 0
        hoped = running[0][0] / (length if is_long else step + 1) ** length_penalty
        can_improve &= len(done) < beams or hoped > done[-1][0]
        if not can_improve:
            break
    return done


SETTINGS = [
    (2, 1.0, False, 6),
    (4, 0.6, False, 7),
    (3, 2.0, "never", 6),
    (3, 0.0, True, 6),
    (3, -1.0, "never", 5),
]


@pytest.mark.parametrize(("beams", "length_penalty", "early_stopping", "length"), SETTINGS)
@pytest.mark.parametrize("ends", [[1], [1, 7, 20, 33, 50, 64, 71, 88]])
def test_it_is_a_plain_beam_search(
    golden, monkeypatch, ends, beams, length_penalty, early_stopping, length
):
    backbone, _ = golden("t5")
    monkeypatch.setattr(backbone.config, "eos_token_id", ends)
    model = TaskModel(backbone, ("only",))
    batch = make_batch(4, seed=beams)
    got = BeamModel(
        model,
        length=length,
        beams=beams,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        n_best=beams,
    )(batch)
    for row in range(4):
        one = {key: value[row : row + 1] for key, value in batch.items()}
        right = search_plainly(model, one, length, ends, beams, length_penalty, early_stopping)
        padded = [tokens + [0] * (length - len(tokens)) for _, tokens in right]
        np.testing.assert_array_equal(got.tokens[row, : len(right)], padded)
        scores = [score for score, _ in right]
        np.testing.assert_allclose(got.scores[row, : len(right)], scores, rtol=1e-4, atol=1e-5)


def test_with_a_beam_for_every_token_it_finds_the_best_of_all_sequences(golden):
    backbone, _ = golden("t5")
    model, batch = TaskModel(backbone, ("only",)), make_batch(1)
    first = log_probabilities(model, batch, [[]])[0]
    second = log_probabilities(model, batch, [[token] for token in range(VOCABULARY)])
    scored = {(1, 0): float(first[1])}  # the end, and the pad id
    for one, two in itertools.product(range(VOCABULARY), repeat=2):
        if one != 1:
            scored[one, two] = float(first[one] + second[one, two])
    best = sorted(scored, key=lambda tokens: -scored[tokens])[:20]
    got = BeamModel(
        model, length=2, beams=VOCABULARY, n_best=20, length_penalty=0.0, early_stopping="never"
    )(batch)
    assert [tuple(row) for row in got.tokens[0].numpy().tolist()] == best
    np.testing.assert_allclose(got.scores[0], [scored[tokens] for tokens in best], atol=1e-4)


@pytest.mark.parametrize("is_xla", [False, True])
def test_one_beam_is_greedy_decoding(adapted_model, is_xla):
    batch = make_batch(7, task=2)
    greedy = GreedyModel(adapted_model, length=9)(batch)
    beam = tf.function(
        BeamModel(adapted_model, length=9, beams=1), jit_compile=is_xla, autograph=False
    )
    np.testing.assert_array_equal(beam(batch).tokens[:, 0], greedy)


def test_one_beam_goes_on_after_no_end(golden, monkeypatch):
    """A longer answer could win by `length_penalty`: to `generate`, one beam is no search."""
    backbone, _ = golden("t5")
    monkeypatch.setattr(backbone.config, "eos_token_id", [1, *range(2, VOCABULARY, 3)])
    model, batch = TaskModel(backbone, ("only",)), make_batch(6, seed=1)
    greedy = GreedyModel(model, length=9)(batch).numpy()
    assert len(set(np.count_nonzero(greedy, axis=1))) > 1
    for early_stopping in (False, "never"):
        beam = BeamModel(
            model, length=9, beams=1, length_penalty=2.0, early_stopping=early_stopping
        )(batch)
        np.testing.assert_array_equal(beam.tokens[:, 0], greedy)
        np.testing.assert_allclose(
            beam.scores[:, 0], _scores(model, batch, greedy, 2.0), rtol=1e-4, atol=1e-5
        )


def _scores(model, batch, answers, length_penalty):
    scores = []
    for row, answer in enumerate(answers):
        one = {key: value[row : row + 1] for key, value in batch.items()}
        tokens = answer[: np.count_nonzero(answer)].tolist()
        steps = [
            float(log_probabilities(model, one, [tokens[:step]])[0, token])
            for step, token in enumerate(tokens)
        ]
        scores.append(sum(steps) / len(steps) ** length_penalty)
    return scores


@pytest.mark.parametrize(
    "method",
    [
        BottleneckConfig(reduction_factor=4),
        PrefixConfig(length=2, reparametrize=False, positions="shifted"),
    ],
    ids=["bottleneck", "prefix"],
)
def test_a_mixed_batch_is_searched_row_by_row_with_its_own_tasks_adapters(golden, method):
    backbone, _ = golden("t5")
    model = TaskModel(backbone, ("a", "b", "c"), method, routing="example")
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, 0.5, variable.shape))
    tasks, batch = np.array([0, 2, 1, 2, 0, 1], np.int32), make_batch(6, seed=4)
    search = tf.function(BeamModel(model, length=5, beams=3, n_best=2), autograph=False)
    mixed = search({**batch, "task": tf.constant(tasks)})
    for task in range(3):
        alone = search({**batch, "task": tf.fill([6], task)}).tokens.numpy()
        np.testing.assert_array_equal(mixed.tokens[tasks == task], alone[tasks == task])
        assert np.any(mixed.tokens != alone)


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
def test_padding_rows_answer_nothing_and_change_nothing(adapted_model, early_stopping):
    batch = make_batch(5, seed=9, task=1)
    padded = {
        "encoder_input_tokens": tf.pad(batch["encoder_input_tokens"], [[1, 2], [0, 0]]),
        "task": tf.fill([8], 1),
    }
    search = BeamModel(adapted_model, length=6, beams=3, n_best=3, early_stopping=early_stopping)
    got, alone = search(padded), search(batch)
    assert not np.any(got.tokens[:1]) and not np.any(got.tokens[6:])
    np.testing.assert_array_equal(got.tokens[1:6], alone.tokens)


@for_every_name
def test_scores_are_those_of_the_forward_pass(name, uneven_batch):
    """So the slots, and who may see them, are right for every method."""
    model = make_model(name)
    shake(model)
    batch = {key: tf.constant(value) for key, value in uneven_batch(task=2).items()}
    got = BeamModel(model, length=5, beams=3, n_best=3, length_penalty=0.6)(batch)
    for rank in range(3):
        tokens = got.tokens[:, rank].numpy()
        shifted = np.pad(tokens, [(0, 0), (1, 0)])[:, :-1]
        logits = model({**batch, "decoder_input_tokens": tf.constant(shifted)})
        chosen = np.take_along_axis(tf.nn.log_softmax(logits).numpy(), tokens[..., None], 2)[..., 0]
        is_real = np.cumprod(shifted != 1, axis=1)  # up to and with the first EOS
        scores = (chosen * is_real).sum(1) / is_real.sum(1) ** 0.6
        has_input = (batch["encoder_input_tokens"].numpy() != 0).any(1)
        np.testing.assert_allclose(
            got.scores[:, rank][has_input], scores[has_input], rtol=1e-4, atol=1e-4
        )


def test_settings_out_of_range_are_refused(adapted_model):
    with pytest.raises(UsageError, match="--n-best is 3; expected 1 to 2, the number of beams"):
        BeamModel(adapted_model, length=3, beams=2, n_best=3)
    with pytest.raises(UsageError, match="--beams is 0; expected 1 or more"):
        BeamModel(adapted_model, length=3, beams=0)
    with pytest.raises(UsageError, match=r"--length-penalty is 1e\+30; expected .* from -10 to 10"):
        Beams(2, length_penalty=1e30)
    with pytest.raises(UsageError, match="--length-penalty is nan; expected a number"):
        BeamModel(adapted_model, length=3, beams=2, length_penalty=float("nan"))
    with pytest.raises(UsageError, match="early stopping is 'always'; expected True, False or"):
        BeamModel(adapted_model, length=3, beams=2, early_stopping="always")
    with pytest.raises(ValueError, match="1 token or more, not 0"):
        BeamModel(adapted_model, length=0, beams=2)
