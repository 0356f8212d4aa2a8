"""What every adapter method does, variants and all: its start, its variables, its files."""

import numpy as np
import pytest

from adapters_tf import TaskModel, load_backbone, load_task, save_task
from tests.adapters_tf.methods.cases import (
    SMALL,
    START_AS_THE_BACKBONE,
    TASKS,
    for_every_name,
    make_model,
    mixed,
    shake,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]


@for_every_name
def test_it_starts_as_published(name, uneven_batch):
    batch = uneven_batch()
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
    plain = TaskModel(backbone, TASKS)(batch).numpy()
    adapted = make_model(name)(batch).numpy()
    if name in START_AS_THE_BACKBONE:
        np.testing.assert_allclose(adapted, plain, atol=2e-5)
    else:
        assert np.abs(adapted - plain).max() < np.abs(plain).max()
        assert np.any(adapted != plain)


@for_every_name
def test_it_adds_the_variables_it_names_and_freezes_the_rest(name):
    model = make_model(name)
    added = {id(v) for bank in model.banks.values() for v in (*bank.banks.values(),)}
    added |= {id(v) for bank in model.banks.values() for v in bank.shared.values()}
    assert {id(variable) for variable in model.trainable_variables} == added
    assert all(v.shape[0] == len(TASKS) for v in model.trainable_variables if model.is_bank(v))
    assert any(model.is_bank(variable) for variable in model.trainable_variables)


@for_every_name
def test_saved_and_loaded_gives_the_same(name, uneven_batch, tmp_path):
    model = make_model(name)
    shake(model)
    batch = uneven_batch(task=1)
    expected = model(batch).numpy()
    save_task(model, "b", tmp_path / "b")
    other = make_model(name, ("x", "y"), seed=5)
    shake(other, seed=2)
    assert np.abs(other(batch).numpy() - expected).max() > 1e-3
    load_task(other, "y", tmp_path / "b")
    np.testing.assert_allclose(other(batch).numpy(), expected, atol=1e-6)


@for_every_name
def test_a_mixed_batch_gives_each_example_what_its_task_alone_gives(name, uneven_batch):
    by_example = make_model(name, routing="example")
    by_batch = make_model(name)
    for model in (by_example, by_batch):
        shake(model)
    batch = mixed(uneven_batch)
    mixed_logits = by_example(batch).numpy()
    for task in range(3):
        alone = by_batch({**batch, "task": np.full(8, task, np.int32)}).numpy()
        chosen = batch["task"] == task
        np.testing.assert_allclose(mixed_logits[chosen], alone[chosen], atol=1e-5, rtol=1e-5)
