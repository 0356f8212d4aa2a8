"""The steps of a run as functions of flat tensors: those that `fit` and evaluation would run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runs.settings import ResolvedRun
from eval.decoding.options import Beams
from eval.evaluator import ARGMAX_LENGTH, answer_length, make_decoder
from prep import Manifest, UsageError
from prep.dataset.batches import BATCH_KEYS, PACKED_KEYS, BatchKey
from trainer.callbacks.validator import validation_lengths
from trainer.fit import make_model, open_devices
from trainer.preflight.exporting import export_stablehlo
from trainer.preflight.flops import AdapterShape, T5Shape, forward_flops, train_flops
from trainer.preflight.replica import ExportedReplica
from trainer.settings.resolving import packed_lengths
from trainer.steps.step import validation_step

_INPUT_KEYS = ("encoder_input_tokens", "task")  # that answers are decoded from


@dataclass(frozen=True)
class Step:
    """One program of a run.

    Attributes:
        name: What it does.
        function: Of a batch, in replica context.
        keys: Of the batch.
        input_length: In tokens.
        target_length: In tokens.
        count_flops: By definition, of so many rows.
    """

    name: str
    function: Callable[[dict[str, tf.Tensor]], Any]
    keys: Sequence[BatchKey]
    input_length: int
    target_length: int
    count_flops: Callable[[int], int]

    def export(self, rows: int, replicas: int) -> str:
        """Lower the step.

        Args:
            rows: Of one replica's share of the batch.
            replicas: How many there are.

        Returns:
            A StableHLO module.
        """
        lengths = {"": [], "S": [self.input_length], "T": [self.target_length]}
        specs = [
            tf.TensorSpec([rows, *lengths[key.length]], tf.as_dtype(key.dtype), key.name)
            for key in self.keys
        ]

        def run(*values: tf.Tensor) -> Any:
            with ExportedReplica(replicas):
                names = [key.name for key in self.keys]
                return self.function(dict(zip(names, values, strict=True)))

        return export_stablehlo(run, specs)


def share_batch(batch_size: int, replicas: int) -> int:
    """Divide a batch among replicas.

    Args:
        batch_size: Of all of them.
        replicas: How many.

    Returns:
        Rows of each.

    Raises:
        UsageError: It cannot be divided.
    """
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        near = f"{below} or {below + replicas}" if below else str(replicas)
        raise UsageError(
            f"a batch of {batch_size} cannot be divided among {replicas} replicas; use {near}"
        )
    return batch_size // replicas


def make_steps(
    settings: ResolvedRun, manifest: Manifest, *, with_eval: bool, beams: Beams | None = None
) -> tuple[TaskModel, list[Step]]:
    """Build a run's model, and its steps.

    Args:
        settings: Of the run; what it says of devices is not heeded.
        manifest: Of its dataset.
        with_eval: Whether validation's and evaluation's steps are wanted.
        beams: How evaluation searches for answers; None for greedy ones.

    Returns:
        The model, and the steps: the train step first.

    Raises:
        UsageError: Settings that cannot work.
    """
    settings = for_export(settings)
    strategy = open_devices(settings)
    model, _, fit_model = make_model(settings, strategy)
    shape, adapters = describe_model(model), describe_adapters(model)
    data = settings.data
    is_packed = packed_lengths(manifest, settings.tasks, data.train_split) is not None
    S, T = data.input_length, data.target_length
    steps = [
        Step(
            "train step",
            fit_model.train_step,
            BATCH_KEYS + (PACKED_KEYS if is_packed else ()),
            S,
            T,
            lambda rows: train_flops(shape, rows, S, T, adapters),
        )
    ]
    if with_eval:
        steps += make_eval_steps(settings, manifest, model, beams)
    return model, steps


def for_export(settings: ResolvedRun) -> ResolvedRun:
    """Take out of a run's settings what is about the machine at hand.

    Args:
        settings: Of the run.

    Returns:
        The same of one CPU, compiled.
    """
    return dataclasses.replace(
        settings,
        training=dataclasses.replace(settings.training, jit_compile=True),
        distribution=dataclasses.replace(settings.distribution, kind="cpu", logical_devices=1),
    )


def make_eval_steps(
    settings: ResolvedRun,
    manifest: Manifest,
    model: TaskModel,
    beams: Beams | None = None,
) -> list[Step]:
    """List what validation and evaluation run: scoring, and answers of each length.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        model: Of the run.
        beams: How evaluation searches for answers; None for greedy ones.

    Returns:
        A step for the loss, and one for each way of decoding that a task asks for.
    """
    S, T = validation_lengths(settings, manifest)
    steps = [make_scoring_step(model, S, T)]
    lengths = sorted({answer_length(manifest.task(task)) for task in settings.tasks})
    return steps + [make_answer_step(model, S, length, beams) for length in lengths]


def make_scoring_step(model: TaskModel, S: int, T: int) -> Step:
    """Make the step that validation computes the loss by.

    Args:
        model: Of the run.
        S: Length of inputs, in tokens.
        T: Length of targets, in tokens.

    Returns:
        The step.
    """
    shape = describe_model(model)
    return Step(
        "scoring step",
        lambda batch: validation_step(model, batch),
        BATCH_KEYS,
        S,
        T,
        lambda rows: forward_flops(shape, rows, S, T),
    )


def make_answer_step(model: TaskModel, S: int, length: int, beams: Beams | None = None) -> Step:
    """Make the step that evaluation answers by.

    Args:
        model: Of the run.
        S: Length of inputs, in tokens.
        length: Of answers, in tokens.
        beams: How to search for answers of several tokens; None for greedy ones.

    Returns:
        The step.
    """
    shape = describe_model(model)
    is_one = length == ARGMAX_LENGTH
    side_by_side = 1 if beams is None or is_one else beams.beams
    name = f"greedy decoding of {length} tokens"
    if is_one:
        name = "argmax step"
    elif beams is not None:
        name = f"beam search of {length} tokens, {beams.beams} beams"
    return Step(
        name,
        make_decoder(model, length, beams),
        [key for key in BATCH_KEYS if key.name in _INPUT_KEYS],
        S,
        length,
        lambda rows: forward_flops(shape, rows, S, length, side_by_side),
    )


def describe_model(model: TaskModel) -> T5Shape:
    """Read the sizes of a model's products off its configuration."""
    config = model.backbone.config
    return T5Shape(
        width=config.d_model,
        inner=config.num_heads * config.d_kv,
        hidden=config.d_ff,
        encoder_layers=config.num_layers,
        decoder_layers=config.num_decoder_layers,
        vocabulary=config.vocab_size,
        is_gated=config.is_gated_act,
    )


def describe_adapters(model: TaskModel) -> AdapterShape | None:
    """Count the numbers of one task's adapters; None where the whole backbone trains."""
    if not model.banks:
        return None
    sizes = {"encoder": 0, "decoder": 0}
    for path, variable in model.trainable_by_path().items():
        if model.is_bank(variable):
            part = "decoder" if "decoder" in path.split("/") else "encoder"
            sizes[part] += variable.shape[1:].num_elements()
    return AdapterShape(**sizes)
