"""The steps of a run as functions of flat tensors: those that `fit` and evaluation would run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from adapters_tf import PrefixConfig, PromptConfig, TaskModel
from adapters_tf.model.heads import PATH as HEADS
from adapters_tf.runs.settings import ResolvedRun
from eval.decoding.answerer import ARGMAX_LENGTH, answer_length, make_decoder
from eval.decoding.heads import HeadModel
from eval.decoding.options import Beams, Decoding
from prep import Manifest
from prep.dataset.batches import BATCH_KEYS, PACKED_KEYS, BatchKey
from trainer.batches.mixture_batches import (
    Lengths,
    axes_of,
    choices_of,
    is_for_head,
    keys_of,
    texts_of,
)
from trainer.callbacks.validator import validation_shapes
from trainer.parts import make_model, open_devices
from trainer.preflight.exporting import export_stablehlo
from trainer.preflight.flops import AdapterShape, T5Shape, forward_flops, least_memory, train_flops
from trainer.preflight.replica import ExportedReplica
from trainer.settings.resolving import packed_lengths
from trainer.settings.shapes import task_shapes
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
        target_length: In tokens; 0 of steps of heads.
        count_flops: By definition, of so many rows.
        least_memory: In bytes, of so many rows.
        tasks: Whose batches it takes; empty: of all.
        batches: How many it takes one after the other; what is said of rows is of one of them.
        choices: Texts in a row of its batches, of a multiple choice's head; 0 for one.
        is_training: Whether it is a train step.
    """

    name: str
    function: Callable[[dict[str, tf.Tensor]], Any]
    keys: Sequence[BatchKey]
    input_length: int
    target_length: int
    count_flops: Callable[[int], int]
    least_memory: Callable[[int], int] = lambda rows: 0
    tasks: Sequence[str] = ()
    batches: int = 1
    choices: int = 0
    is_training: bool = False

    @property
    def shape(self) -> str:
        """Its lengths in tokens, such as 128/8."""
        return f"{self.input_length}/{self.target_length}".removesuffix("/0")

    @property
    def is_packed(self) -> bool:
        """Whether a row of its batches may hold several examples."""
        return set(PACKED_KEYS) <= set(self.keys)

    def export(self, rows: int, replicas: int) -> str:
        """Lower the step.

        Args:
            rows: Of one replica's share of a batch.
            replicas: How many there are.

        Returns:
            A StableHLO module.
        """
        lengths = axes_of((self.input_length, self.target_length, self.choices))
        specs = [
            tf.TensorSpec(
                [rows * self.batches, *lengths[key.length]], tf.as_dtype(key.dtype), key.name
            )
            for key in self.keys
        ]

        def run(*values: tf.Tensor) -> Any:
            with ExportedReplica(replicas):
                names = [key.name for key in self.keys]
                return self.function(dict(zip(names, values, strict=True)))

        return export_stablehlo(run, specs)


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
        The model, and the steps: the train steps first, and of those the largest. Where a step
        takes batches of several shapes, each is of as many of one shape.

    Raises:
        UsageError: Settings that cannot work.
    """
    settings = for_export(settings)
    strategy = open_devices(settings)
    model, _, fit_model = make_model(settings, strategy)
    shape, adapters = describe_model(model), describe_adapters(model)
    data = settings.data
    is_packed = packed_lengths(manifest, settings.tasks, data.train_split) is not None
    shapes = task_shapes(settings, manifest)
    batches = settings.training.tasks_per_step

    def train_step(lengths: Lengths) -> Step:
        S, T, texts = lengths[0], lengths[1], texts_of(lengths)
        computed = encoder_only(shape) if is_for_head(lengths) else shape

        def count(rows: int) -> int:
            return batches * train_flops(computed, rows * texts, S, T, adapters)

        def least(rows: int) -> int:
            return least_memory(computed, rows * texts, S)

        name = f"train step of {batches} batches" if batches > 1 else "train step"
        return Step(
            name + named_for_head(lengths),
            fit_model.train_step,
            keys_of(lengths, is_packed),
            S,
            T,
            count,
            least,
            tasks_of(shapes, lengths),
            batches,
            choices_of(lengths),
            is_training=True,
        )

    steps = [train_step(lengths) for lengths in largest_first(shapes)]
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
    shapes = validation_shapes(settings, manifest)
    steps = []
    for lengths in largest_first(shapes):
        step = make_scoring_step(model, lengths, settings.training.loss_chunk)
        steps.append(dataclasses.replace(step, tasks=tasks_of(shapes, lengths)))
    headed = {task: shapes[task] for task in settings.tasks if is_for_head(shapes[task])}
    for lengths in largest_first(headed):
        step = make_head_step(model, lengths)
        steps.append(dataclasses.replace(step, tasks=tasks_of(shapes, lengths)))
    answers = {
        task: (shapes[task][0], answer_length(manifest.task(task)))
        for task in settings.tasks
        if task not in headed
    }
    for lengths in sorted(set(answers.values()), key=lambda lengths: lengths[::-1]):
        step = make_answer_step(model, *lengths, beams)
        steps.append(dataclasses.replace(step, tasks=tasks_of(answers, lengths)))
    return steps


def make_scoring_step(model: TaskModel, lengths: Lengths, chunk: int = 0) -> Step:
    """Make the step that validation computes the loss by.

    Args:
        model: Of the run.
        lengths: Of inputs and targets in tokens, or those of heads.
        chunk: Target positions whose scores are held at once; 0 for all.

    Returns:
        The step.
    """
    shape, S, T = describe_model(model), lengths[0], lengths[1]
    if is_for_head(lengths):
        shape = encoder_only(shape)
    return Step(
        "scoring step" + named_for_head(lengths),
        lambda batch: validation_step(model, batch, chunk),
        keys_of(lengths),
        S,
        T,
        lambda rows: forward_flops(shape, rows * texts_of(lengths), S, T),
        choices=choices_of(lengths),
    )


def make_head_step(model: TaskModel, lengths: Lengths) -> Step:
    """Make the step that evaluation answers by, of tasks with heads.

    Args:
        model: Of the run.
        lengths: Of heads.

    Returns:
        The step.
    """
    shape, S = encoder_only(describe_model(model)), lengths[0]
    return Step(
        "answering step" + named_for_head(lengths),
        HeadModel(model),
        [key for key in keys_of(lengths) if key.name in _INPUT_KEYS],
        S,
        0,
        lambda rows: forward_flops(shape, rows * texts_of(lengths), S, 0),
        choices=choices_of(lengths),
    )


def named_for_head(lengths: Lengths) -> str:
    """Say what of a step is a head's, for its name; nothing where it is none."""
    if not is_for_head(lengths):
        return ""
    choices = choices_of(lengths)
    return f" of heads, {choices} choices a row" if choices else " of heads"


def encoder_only(shape: T5Shape) -> T5Shape:
    """Leave out of a model's sizes what steps of heads do not compute."""
    return dataclasses.replace(shape, decoder_layers=0)


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
        make_decoder(model, length, Decoding(beams)),
        [key for key in BATCH_KEYS if key.name in _INPUT_KEYS],
        S,
        length,
        lambda rows: forward_flops(shape, rows, S, length, side_by_side),
    )


def tasks_of(shapes: Mapping[str, Lengths], lengths: Lengths) -> tuple[str, ...]:
    """List the tasks whose batches have these lengths.

    Args:
        shapes: By task.
        lengths: Of inputs and targets, in tokens.

    Returns:
        Their names.
    """
    return tuple(task for task, its in shapes.items() if its == lengths)


def largest_first(shapes: Mapping[str, Lengths]) -> list[Lengths]:
    """List the different shapes of tasks' batches.

    Args:
        shapes: By task.

    Returns:
        Input and target tokens, the most of both together first.
    """
    return sorted(set(shapes.values()), key=lambda lengths: (-sum(lengths), lengths))


def describe_model(model: TaskModel) -> T5Shape:
    """Read the sizes of a model's products off its configuration."""
    config = model.backbone.config
    prompts = [one for one in model.methods if isinstance(one, PromptConfig)]
    prefixes = [one for one in model.methods if isinstance(one, PrefixConfig)]
    places = ("encoder", "decoder", "cross")
    encoder, decoder, across = (
        sum(one.length for one in prefixes if place in one.placement) for place in places
    )
    return T5Shape(
        width=config.d_model,
        inner=config.num_heads * config.d_kv,
        hidden=config.d_ff,
        encoder_layers=config.num_layers,
        decoder_layers=config.num_decoder_layers,
        vocabulary=config.vocab_size,
        is_gated=config.is_gated_act,
        heads=config.num_heads,
        prompt=sum(one.length for one in prompts),
        prefixes=(encoder, decoder, across),
    )


def describe_adapters(model: TaskModel) -> AdapterShape | None:
    """Count the numbers of one task's adapters; None where the whole backbone trains."""
    if not model.banks:
        return None
    sizes = {"encoder": 0, "decoder": 0, "prefix": 0}
    for path, variable in model.trainable_by_path().items():
        *parts, name = path.split(".")
        if not model.is_bank(variable) or parts == [HEADS]:  # heads read one vector of a text
            continue
        numbers = variable.shape[1:].num_elements()
        if "prefix" in parts:  # of these only the networks' kernels are multiplied, with prefixes
            length = max(one.length for one in model.methods if isinstance(one, PrefixConfig))
            sizes["prefix"] += numbers * length if name == "kernel" else 0
        elif "prompt" not in parts:
            sizes["decoder" if "decoder" in parts else "encoder"] += numbers
    return AdapterShape(**sizes)
