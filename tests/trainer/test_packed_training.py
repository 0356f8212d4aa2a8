"""Training on packed rows: the same step as on single examples, and runs that are killed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import set_precision
from eval.decoding.replicas import share_out
from prep import (
    BuildOptions,
    TokenTable,
    build_dataset,
    load_manifest,
    make_batch,
    make_packed_batch,
    read_split,
    run_command,
)
from prep.tasks import get_task
from tests.trainer.checkpoint_values import weights_of
from tests.trainer.position_counts import check_positions
from tests.trainer.test_fit import kill_after
from trainer.__main__ import main
from trainer.callbacks.validator import validation_shapes
from trainer.parts import make_batches
from trainer.settings.config import DataConfig, RunConfig
from trainer.settings.resolving import resolve
from trainer.steps.step import train_step

pytestmark = pytest.mark.slow

TASKS = ("synthetic_entailment", "synthetic_similarity", "synthetic_choice")


def make_table(lengths, seed=0):
    """Random tokens: examples of so many input and target tokens, by packed row."""
    random = np.random.default_rng(seed)
    inputs, targets = ([pair[part] for row in lengths for pair in row] for part in (0, 1))
    counts = [len(row) for row in lengths]
    return TokenTable(
        inputs=random.integers(3, 100, sum(inputs)).astype(np.uint16),
        input_offsets=np.cumsum([0, *inputs]),
        targets=random.integers(3, 100, sum(targets)).astype(np.uint16),
        target_offsets=np.cumsum([0, *targets]),
        labels=np.full(len(inputs), -1, np.int32),
        examples=np.arange(len(inputs)),
        pack_offsets=np.cumsum([0, *counts]),
    )


LENGTHS = (((3, 2), (7, 4), (6, 1)), ((9, 3),), ((2, 5), (2, 1)), ((8, 1), (8, 2)))


def packed_and_single(task=1):
    """The same examples twice: four packed rows, and eight rows of one example."""
    table = make_table(LENGTHS)
    lengths = {"input_length": 16, "target_length": 9, "task": task}
    return (
        make_packed_batch(table, np.arange(4), **lengths),
        make_batch(table, np.arange(8), **lengths),
    )


@pytest.mark.parametrize(("adapters", "jit_compile"), [(True, True), (False, False)])
def test_a_step_on_packed_rows_is_the_step_on_their_examples(
    make_model, make_optimizer, adapters, jit_compile
):
    results = []
    for batch in packed_and_single():
        model = make_model(adapters)
        optimizer = make_optimizer(model, rate=1e-3)

        @tf.function(autograph=False, jit_compile=jit_compile)
        def step(batch, model=model, optimizer=optimizer):
            return train_step(model, optimizer, batch)

        losses = [[np.sum(value) for value in step(batch)] for _ in range(3)]
        results.append((losses, model.trainable_by_path()))
    (packed, weights), (single, expected) = results
    np.testing.assert_allclose(packed, single, rtol=1e-5)
    assert [tokens for _, tokens, _ in packed] == [19.0] * 3
    for path, value in expected.items():
        # Adam's first steps turn rounding in tiny gradients into a share of the rate.
        np.testing.assert_allclose(weights[path], value, atol=1e-4, err_msg=path)


def test_replicas_equal_one_on_packed_rows(make_model, make_optimizer, two_replicas):
    batch, _ = packed_and_single()
    losses = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = make_model()
            optimizer = make_optimizer(model)

        @tf.function(autograph=False)
        def step(batch, strategy=strategy, model=model, optimizer=optimizer):
            return strategy.run(train_step, args=(model, optimizer, batch))

        results = [step(share_out(strategy, batch))[0] for _ in range(2)]
        losses.append([np.sum(strategy.experimental_local_results(one)[0]) for one in results])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_packed_rows_train_in_bfloat16(make_model, make_optimizer):
    batch, _ = packed_and_single()
    set_precision("mixed_bfloat16")
    try:
        model = make_model()
        optimizer = make_optimizer(model)
        step = tf.function(lambda batch: train_step(model, optimizer, batch), autograph=False)
        losses = [np.sum(step(batch)[0]) for _ in range(20)]
    finally:
        set_precision("float32")
    assert losses[-1] < 0.8 * losses[0]


@pytest.fixture(scope="module")
def packed_dataset(small_dataset, tmp_path_factory):
    """The small dataset, packed."""
    out = tmp_path_factory.mktemp("packed") / "dataset"
    options = BuildOptions(
        tasks=tuple(map(get_task, TASKS)),
        vocabulary=small_dataset / "spiece.model",
        out=out,
        max_input_length=64,
        max_target_length=8,
        pack=True,
    )
    build_dataset(options)
    return out


def resolved_for(dataset, **data):
    config = RunConfig(dataset=str(dataset), run="unused", data=DataConfig(**data))
    manifest = load_manifest(dataset)
    return resolve(config, manifest), manifest


def test_lengths_are_those_of_the_rows(packed_dataset):
    resolved, manifest = resolved_for(packed_dataset)
    assert resolved.data.input_length == 64
    assert resolved.data.target_length == manifest.packing.target_length
    entries = [manifest.task(task).split("validation") for task in TASKS]
    longest = (
        max(entry.longest_input for entry in entries),
        max(entry.longest_target for entry in entries),
    )
    assert validation_shapes(resolved, manifest) == dict.fromkeys(TASKS, longest)


def test_the_mixture_counts_examples(packed_dataset):
    """Tasks have unlike lengths, so unlike shares of the batches give like shares of examples."""
    resolved, manifest = resolved_for(packed_dataset, batch_size=2, temperature=1e6)
    resolved = replace(resolved, training=replace(resolved.training, steps=6000))
    batches = make_batches(resolved, manifest)
    examples_per_row = np.array([len(table) / table.rows for table in batches.tables])
    assert examples_per_row.max() > 1.3 * examples_per_row.min()
    shares = np.bincount(batches.schedule) * examples_per_row
    # Five standard deviations of a share over 6,000 draws are below 0.032.
    np.testing.assert_allclose(shares / shares.sum(), np.full(3, 1 / 3), atol=0.032)
    counted = sum(len(np.unique(batches.batch(n)["decoder_segment_ids"])) for n in range(50))
    assert counted > 50 * 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.input_length=32", "data.input_length is 32, and the dataset is packed into rows"),
        ("--data.target_length=128", "data.target_length is 128, and the dataset is packed"),
    ],
)
def test_other_lengths_are_refused(packed_dataset, tmp_path, capsys, option, message):
    arguments = [f"--dataset={packed_dataset}", f"--run={tmp_path / 'run'}", option]
    assert run_command(main, arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "leave it out" in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--adapters.method=lora,prompt"], "prompt tuning cannot read packed rows"),
        (
            ["--adapters.method=prefix", "--adapters.settings={prefix: {positions: before}}"],
            "prefixes with positions cannot read packed rows",
        ),
        (["--heads.tasks=synthetic_entailment"], "heads.tasks: the dataset is packed, several"),
        (["--heads.tasks=all"], "build it without --pack"),
    ],
)
def test_what_cannot_read_packed_rows_is_refused(
    packed_dataset, tmp_path, capsys, options, message
):
    arguments = [f"--dataset={packed_dataset}", f"--run={tmp_path / 'run'}"]
    assert run_command(main, [*arguments, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def settings(dataset, run):
    overrides = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
    return [
        f"--dataset={dataset}",
        f"--run={run}",
        "--model.backbone=t5-tiny",
        f"--model.overrides={json.dumps({**overrides, 'dropout_rate': 0.1})}",
        "--adapters.settings={bottleneck: {reduction_factor: 8}}",
        "--data.batch_size=4",
        "--training.steps=16",
        "--training.validate_every=0",
        "--training.validation_examples=8",
        "--training.checkpoint_every=4",
    ]


def test_killed_and_resumed_on_packed_rows_ends_in_the_same_bits(packed_dataset, tmp_path, capsys):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    # When the second one is there, TensorFlow has noted that the first is whole.
    kill_after(8, settings(packed_dataset, resumed))
    for run in (whole, resumed):
        assert run_command(main, settings(packed_dataset, run)) == 0
        output = capsys.readouterr().out
        assert "packed rows" in output
    assert "going on from step" in output
    check_positions(whole)
    first, second = weights_of(whole), weights_of(resumed)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


def test_evaluation_takes_a_packed_split_example_by_example(packed_dataset):
    manifest = load_manifest(packed_dataset)
    table = read_split(packed_dataset, manifest, TASKS[0], "train")
    batch = make_batch(table, np.arange(len(table)), input_length=64, target_length=8, task=0)
    assert "encoder_segment_ids" not in batch
    assert len(batch["task"]) == manifest.task(TASKS[0]).split("train").examples
