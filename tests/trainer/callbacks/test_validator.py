"""Scoring every task during training: what is averaged, and how long batches are."""

import types
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runs.sections import AdapterConfig, DataConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun, ResolvedTraining
from prep import (
    Manifest,
    PackingEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
    load_manifest,
    make_batch,
    read_split,
)
from trainer.callbacks.validator import (
    Validator,
    make_validator,
    validated_part,
    validation_shapes,
)
from trainer.steps.step import validation_step

TASKS = ("a", "b")


def settings_of(tasks=TASKS, dataset="data", **data):
    return ResolvedRun(
        dataset=str(dataset),
        run="run",
        tasks=tasks,
        seed=0,
        model=ResolvedModel(),
        adapters=AdapterConfig(),
        data=DataConfig(**{"batch_size": 8, "input_length": 12, "target_length": 5, **data}),
    )


def split_of(longest_input, longest_target, packing=None):
    return SplitEntry(1, (), 0, 0, longest_input, longest_target, (), 0, {}, packing=packing)


def test_how_many_examples_are_validated_is_said_where_not_all_are():
    splits = {
        "a": replace(split_of(12, 5), examples=1200),
        "b": replace(split_of(9, 5), examples=5),
    }
    settings, manifest = settings_of(), manifest_of(**splits)
    for limit, said in ((0, ""), (1200, ""), (10, "15 of 1,205 examples")):
        training = ResolvedTraining(validation_examples=limit)
        assert validated_part(replace(settings, training=training), manifest) == said


def manifest_of(packing=None, **validations):
    tasks = {
        name: TaskEntry(
            name,
            "generation",
            (),
            (),
            ("bleu",),
            4,
            1,
            {"train": split_of(12, 5, packing)}
            | ({"validation": validations[name]} if name in validations else {}),
        )
        for name in TASKS
    }
    return Manifest(1, VocabularyEntry("spiece.model", "", 9, 0), 12, 5, packing, 8, tasks)


def test_lengths_are_those_of_training():
    manifest = manifest_of(a=split_of(9, 3))
    assert validation_shapes(settings_of(), manifest) == dict.fromkeys(TASKS, (12, 5))


def test_where_rows_are_packed_they_are_those_of_the_longest_example():
    packing = PackingEntry(128, 32, 0)
    manifest = manifest_of(packing, a=split_of(9, 3), b=split_of(7, 4))
    assert validation_shapes(settings_of(), manifest) == dict.fromkeys(TASKS, (9, 4))
    nothing_to_validate = manifest_of(packing)
    assert validation_shapes(settings_of(), nothing_to_validate) == dict.fromkeys(TASKS, (12, 5))


def test_the_means_are_over_tasks():
    """Of losses, and of each task's main metric, whatever the number of examples."""
    metrics = {"a": {"bleu": 0.5, "rouge_l": 0.1}, "b": {"bleu": 0.75}}
    evaluator = types.SimpleNamespace(
        evaluate=lambda task, table, report: types.SimpleNamespace(metrics=metrics[task])
    )
    validator = Validator(
        None,
        {"a": "a table", "b": "another"},
        dict.fromkeys("ab", evaluator),
        tf.distribute.get_strategy(),
        batch_size=8,
        shapes=dict.fromkeys("ab", (12, 5)),
    )
    losses = {"a": 1.0, "b": 3.0}
    validator.loss = lambda task, table: losses[task]
    assert validator.run() == {
        "a/loss": 1.0,
        "a/bleu": 0.5,
        "a/rouge_l": 0.1,
        "b/loss": 3.0,
        "b/bleu": 0.75,
        "loss": 2.0,
        "mean": 0.625,
    }


@pytest.fixture
def validator(make_model, small_dataset):
    """Of the small model, whose task b has some examples of the dataset, in its hundred tokens."""
    manifest = load_manifest(small_dataset)
    table = read_split(small_dataset, manifest, "synthetic_choice", "validation").head(11)
    table = replace(table, inputs=table.inputs % 100, targets=table.targets % 100)
    strategy = tf.distribute.get_strategy()
    return Validator(
        make_model(),
        {"b": table},
        {},
        strategy,
        batch_size=4,
        shapes={"b": (16, 4)},
    )


@pytest.mark.slow
def test_the_loss_is_per_token_and_padding_rows_weigh_nothing(validator):
    """Eleven examples in batches of four, and the same in one batch."""
    table = validator.tables["b"]
    batch = make_batch(table, np.arange(11), input_length=16, target_length=4, task=1)
    loss, tokens = validation_step(validator.model, batch)
    assert validator.loss("b", table) == pytest.approx(float(loss / tokens), rel=1e-5)


@pytest.mark.slow
def test_tasks_that_have_the_split_are_validated_and_no_more_examples_than_asked(
    make_model, small_dataset
):
    manifest = load_manifest(small_dataset)
    strategy = tf.distribute.get_strategy()
    tasks = tuple(manifest.tasks)
    settings = settings_of(tasks, small_dataset)
    for asked, examples in ((0, 500), (7, 7), (1000, 500)):
        limited = replace(settings, training=ResolvedTraining(validation_examples=asked))
        made = make_validator(limited, manifest, make_model(), strategy)
        assert {task: len(table) for task, table in made.tables.items()} == dict.fromkeys(
            tasks, examples
        )
    gone = settings_of(tasks, small_dataset, validation_split="dev")
    assert make_validator(gone, manifest, make_model(), strategy) is None
