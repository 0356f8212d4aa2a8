"""Examples that have ended leave the batch, and nothing of the answers changes."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.model.decoder_step import decode_step
from eval.decoding import loop
from eval.decoding.greedy import GreedyModel
from tests.adapters_tf.methods.cases import make_model, shake
from tests.eval.decoding.test_greedy import make_batch
from tests.eval.decoding.test_sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]


def count_rows(monkeypatch, model, batch, **settings):
    """Decode eagerly; how many rows each step computes, and the tokens."""
    rows = []

    def note(backbone, context, step, token, *rest):
        rows.append(len(token))
        return decode_step(backbone, context, step, token, *rest)

    monkeypatch.setattr(loop, "decode_step", note)
    tokens = GreedyModel(model, length=12, **settings)(batch).numpy()
    return rows, tokens


def test_the_batch_shrinks_when_half_of_it_has_ended(golden, monkeypatch):
    from adapters_tf import TaskModel

    backbone, _ = golden("t5")
    batch = make_batch(0, seed=2)
    # Ends that cut the answers at different places.
    monkeypatch.setattr(backbone.config, "eos_token_id", [1, 7, 20, 33, 50, 64, 71])
    model = TaskModel(backbone, ("only",))
    rows, tokens = count_rows(monkeypatch, model, batch, examples_leave=True)
    all_rows, expected = count_rows(monkeypatch, model, batch)
    np.testing.assert_array_equal(tokens, expected)
    assert all_rows == [9] * len(rows)
    lengths = (expected != 0).sum(1)
    assert len(set(lengths.tolist())) > 2
    left = 9
    for step, computed in enumerate(rows):
        going = int((lengths > step).sum())  # before this step
        left = going if 2 * going <= left else left
        assert computed == left
    assert rows[-1] < 9


@pytest.mark.parametrize("name", ["prefix", "prompt", "bottleneck"])
def test_with_what_attention_and_inputs_hold(name, uneven_batch):
    model = make_model(name)
    shake(model)
    batch = {key: tf.constant(value) for key, value in uneven_batch(task=1).items()}
    model.backbone.config.eos_token_id = list(range(1, 40))
    rows = len(batch["task"])
    # Drawn, as so small a model answers all rows alike.
    plain, leaving = (
        sample(model, batch, examples=range(rows), samples=2, examples_leave=leave).tokens.numpy()
        for leave in (False, True)
    )
    np.testing.assert_array_equal(plain, leaving)
    assert len(set((plain != 0).sum(-1).max(1).tolist())) > 2


def test_routing_by_example_keeps_its_rows():
    model = make_model("bottleneck", routing="example")
    assert not GreedyModel(model, length=3, examples_leave=True).examples_leave
