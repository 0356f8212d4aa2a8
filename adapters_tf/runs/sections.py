"""The sections of a run's settings, as a person writes them and as config.yaml holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What settings were called in earlier versions, by section: the name then and now.
RENAMED = {"optimizer": ("decay", "schedule")}


def renamed(values: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Give a setting its name of today, in its place among the others.

    Args:
        values: Settings by name; where both names are there, their values are equal.
        old: The earlier name.
        new: The name of today.

    Returns:
        A changed copy.
    """
    return {new if name == old else name: value for name, value in values.items()}


@dataclass(frozen=True)
class ModelConfig:
    """The backbone.

    Attributes:
        backbone: A preset, a Hugging Face folder, or a hub name.
        overrides: Fields of the T5 configuration to replace, such as `dropout_rate`.
        dropout: Which units fall together: `shared_along_length`, the same at all positions of a
            row, as in T5X, the cheaper way; or `per_unit`, as in Hugging Face's T5.
        freeze: What does not train, beside what an adapter method freezes: encoder, decoder (with
            the adapters in them), embeddings, lm_head, layer_norms, position_biases,
            task_embeddings.
        frozen_dtype: What the backbone's matrices that do not train are kept in: `float32`, or
            `bfloat16`, half the memory, where `training.precision` is mixed_bfloat16; the same
            bits come out.
    """

    backbone: str = "t5-small"
    overrides: dict[str, Any] = field(default_factory=dict)
    dropout: str = "shared_along_length"
    freeze: list[str] = field(default_factory=list)
    frozen_dtype: str = "float32"


@dataclass(frozen=True)
class AdapterConfig:
    """The adapter method and its settings.

    Attributes:
        method: A name of `adapters_tf.METHODS` or `VARIANTS`, several joined by commas, or `none`
            to train the whole backbone.
        settings: By method, what differs from its defaults, such as `lora: {rank: 16}`.
        train_layer_norms: Whether T5's own layer norms train too, shared by all tasks.
        start_from: Adapters that were trained before and that tasks start from: an adapter's
            folder for all tasks, a run folder for the tasks it has, or a folder by task, such as
            `{rte: runs/glue/adapters/mnli}`.
        nearest_by: A file that `python -m adapters_tf embed` wrote: where `start_from` is a run,
            tasks that it does not have start from the adapter of the nearest one that it has.
        stack_on: A trained bottleneck adapter that stays frozen below: `of`, the run (or another
            folder) that has it, and `task`, its name there.
    """

    method: str = "bottleneck"
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    train_layer_norms: bool = True
    start_from: str | dict[str, str] = ""
    nearest_by: str = ""
    stack_on: dict[str, str] | None = None


@dataclass(frozen=True)
class DataConfig:
    """The batches.

    Attributes:
        batch_size: Rows per global batch, over all replicas: examples, or in a packed dataset
            records of several examples.
        input_length: Static length of inputs in tokens; 0 takes the longest input there is, rounded
            up to a multiple of 8, or the length of packed rows.
        target_length: Static length of targets in tokens; 0 takes the longest likewise.
        lengths: `one`: all batches have these lengths; `per_task`: each task has the smallest of a
            few shapes that holds its examples, and a program is compiled for each shape.
        shapes: With `per_task`, how many shapes there may be; they are chosen to pad little.
        mixture: How tasks take turns. `proportional`: p proportional to min(size, cap)^(1 /
            temperature); `equal`; `weights`: as `weights` says; `unimax`: equal shares, until a
            task would have had `epochs` epochs by the last step; `round`: each task once in every
            round, in another order each time.
        temperature: Of proportional.
        cap: Of proportional, the largest size a task counts with, in examples; 0 for no cap.
        weights: Of weights, by task, such as `{rte: 1, mnli: 3}`; shares of the examples.
        epochs: Of unimax, the most of a task.
        train_split: What is trained on.
        validation_split: What is validated on; tasks without it are left out of validation.
        routing: `batch`: every batch is of one task, the cheaper way; `example`: a batch mixes
            tasks, and each example goes through its own task's adapters.
        loss_scale: Of mixed batches, what a task's examples count in the loss: `equal`; `classes`,
            1 / log of how many answers there are, which of free text are the vocabulary's tokens
            (Aghajanyan et al. 2021); or by task, such as `{rte: 1, mnli: 0.5}`. 1 where not named.
        memory_limit: What the training splits of all tasks may take of memory: bytes, a size such
            as `2GB` or `512MiB`, or `auto`, a quarter of the machine's. Splits that need more are
            visited in windows of shards, read as they come up: the order of examples depends on the
            limit. A run keeps what it began with; its config.yaml has 0 where all was read whole.
        lanes: Parts of every training split, in file order, each of which fills the same places of
            every batch, in an order of its own; a divisor of `batch_size`. Of several hosts each
            reads only the shards of the lanes that its places are filled from; the number of hosts
            does not change what is learned, that of lanes does.
    """

    batch_size: int = 32
    input_length: int = 0
    target_length: int = 0
    lengths: str = "one"
    shapes: int = 4
    mixture: str = "proportional"
    temperature: float = 1.0
    cap: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    epochs: float = 1.0
    train_split: str = "train"
    validation_split: str = "validation"
    routing: str = "batch"
    loss_scale: str | dict[str, float] = "equal"
    memory_limit: int | str = "auto"
    lanes: int = 1


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimizer and its learning rate.

    Attributes:
        name: `adamw`, `adafactor` or `lion`.
        learning_rate: At its peak.
        warmup_steps: Of linear rise; or `6%` of the run, or `1 epoch`.
        schedule: What follows the warm-up: constant, linear, cosine, cosine_with_restarts,
            polynomial or inverse_square_root.
        schedule_steps: The steps that linear, cosine, cosine_with_restarts and polynomial are laid
            out for, also `80%` of the run, or `2 epochs`; 0 for those of the run. After them the
            rate stays at `end_rate`. Of a list, such as `[1000, 3000]` or `[50%, 100%]`, each but
            the last begins the schedule anew, with its warm-up. A run that is extended must name
            them.
        end_rate: What linear, cosine, cosine_with_restarts and polynomial fall to.
        power: Of polynomial; 1 is linear.
        cycles: Of cosine_with_restarts, how many times it falls.
        rates: By group of variables, what the learning rate is multiplied with: `bank`, the
            tasks' own rows; `heads`; `norms`, T5's layer norms; `shared`, all else. 1 where not
            named.
        weight_decay: Decoupled; matrices only.
        clip_norm: The largest global norm of the gradients; 0 for no clipping.
        ema_decay: If above 0, the decay of an exponential moving average of what trains, a task's
            rows averaged over that task's steps: it is validated, kept as the best and exported.
    """

    name: str = "adamw"
    learning_rate: float = 3e-4
    warmup_steps: int | str = 0
    schedule: str = "linear"
    schedule_steps: list[int] | list[int | str] | int | str = 0
    end_rate: float = 0.0
    power: float = 1.0
    cycles: int = 1
    rates: dict[str, float] = field(default_factory=dict)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.0


@dataclass(frozen=True)
class TrainingConfig:
    """The loop.

    Attributes:
        steps: Optimizer steps in all; or `3 epochs`, as `epochs: 3` has it. More may be asked for
            later; where the schedule falls, `optimizer.schedule_steps` must then say how it goes
            on.
        epochs: If above 0, the run's steps are counted: until the task of `epochs_of` has been seen
            so often; `steps` is then not looked at. On the command line, either stands in place of
            a file's other; both in one place are refused.
        epochs_of: A task, or `shortest` or `longest`, the task with the fewest or the most rows.
        tasks_per_step: Batches in a step, each as the mixture draws it: their gradients are
            combined as `balancing` says. What a step takes of memory is that of one batch.
        log_every: Steps between lines of training losses. This and whatever else is counted in
            steps may be given as a share of the run, such as `10%`, or in epochs of the task of
            `epochs_of`, such as `0.5 epochs`; a run's config.yaml holds steps.
        validate_every: Steps between validations; 0 for one at the end only.
        validation_examples: The most examples per task in a validation; 0 for all.
        checkpoint_every: Steps between checkpoints.
        keep_checkpoints: How many of the last ones stay.
        wait_for_space: Seconds to wait for room on a full disk, with a line a minute, before the
            run ends.
        best_metric: What the best checkpoint is best by: `loss`, `mean` (of each task's first
            metric), or one task's, such as `rte/accuracy`. With the first two, and where nothing
            that tasks share trains, every task keeps the row of its own best step.
        patience: Validations in a row without a new best checkpoint, or where tasks have their own
            without a new best row of any, after which the run ends; 0 for none. Of `20%` or `2
            epochs`, as many validations as they have, rounded up.
        precision: float32 or mixed_bfloat16.
        jit_compile: Compile the step with XLA (a TPU always does).
        steps_per_execution: Steps between returns to Python.
        deterministic: Same inputs, same bits; resuming is then exact to the last one.
        label_smoothing: The share of a target's probability that all words have in equal parts.
        z_loss: How much the squared logarithm of softmax's normaliser costs; T5X uses 1e-4.
        gradient_checkpointing: Keep what goes into each of T5's blocks for the backward pass, and
            compute what is inside again: less memory, a third more time.
        loss_chunk: Target positions whose scores over the vocabulary are held at once; 0 for all.
            It saves memory with long targets, and time where no row's target reaches a chunk.
        max_skipped_steps: A step whose loss or gradient is not finite is skipped and counted; so
            many in a row, of whatever tasks, stop the run, at the next multiple of `log_every`;
            also `1%` of the run.
        norms: Write the norms of gradients, parameters and updates, by the groups of
            `optimizer.rates`, of each step that has a line.
        profile: Steps whose profile is written for TensorBoard, the first and the last, such as
            `100-110`, or `10%-11%` of the run.
        wandb: A project of Weights & Biases that figures are sent to, beside the run folder; needs
            the extra `wandb`.
    """

    steps: int | str = 1000
    epochs: float = 0.0
    epochs_of: str = "longest"
    tasks_per_step: int = 1
    log_every: int | str = 50
    validate_every: int | str = 500
    validation_examples: int = 1000
    checkpoint_every: int | str = 500
    keep_checkpoints: int = 2
    wait_for_space: float = 0.0
    best_metric: str = "mean"
    patience: int | str = 0
    precision: str = "float32"
    jit_compile: bool = False
    steps_per_execution: int = 1
    deterministic: bool = True
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    gradient_checkpointing: bool = False
    loss_chunk: int = 0
    max_skipped_steps: int | str = 10
    norms: bool = False
    profile: str = ""
    wandb: str = ""


@dataclass(frozen=True)
class BalancingConfig:
    """How the tasks of a step of several microbatches are weighed where they share variables.

    A bank's rows get their own task's gradient in any case.

    Attributes:
        method: `tokens`: the mean over all target tokens of the step, plain accumulation; `sum` of
            the tasks' mean losses; `weights`: the same, weighted; `uncertainty` (Kendall et al.
            2018), `gradnorm` (Chen et al. 2018), `pcgrad` (Yu et al. 2020) or `famo` (Liu et al.
            2023). `gradnorm` and `pcgrad` keep the gradient of each microbatch, of what is shared;
            `famo` does on several replicas.
        weights: Of weights, by task, such as `{rte: 1, mnli: 3}`; 1 where not named.
        rate: Of uncertainty, gradnorm and famo: the learning rate of what they learn of tasks.
        alpha: Of gradnorm, how strongly slow tasks are pulled.
        weight_decay: Of famo, the weight decay of what it learns.
    """

    method: str = "tokens"
    weights: dict[str, float] = field(default_factory=dict)
    rate: float = 0.025
    alpha: float = 1.5
    weight_decay: float = 0.001


@dataclass(frozen=True)
class HeadsConfig:
    """Tasks that a head on the encoder answers, and not the decoder.

    Attributes:
        tasks: Their names separated by commas, or a list; or `all`, every task of classes, numbers
            or choices. The others answer in words.
        pooling: What a head is given of the encoder's states: their `mean`, the `first`, or
            `attention`, a mean with weights that a query of the task's own decides.
        layers: Dense layers with tanh between that and the last one.
        dropout: Before each layer.
        class_weights: What examples of a class count in the loss: `balanced`, by how rare the class
            is in the training split, or by task a list, such as `{rte: [1, 2]}`.
        focal_gamma: If above 0, examples that are right already count less (Lin et al. 2017): the
            loss of classes and choices times (1 - p)^gamma.
    """

    tasks: list[str] | str = ""
    pooling: str = "mean"
    layers: int = 0
    dropout: float = 0.1
    class_weights: str | dict[str, list[float]] = ""
    focal_gamma: float = 0.0


@dataclass(frozen=True)
class DistributionConfig:
    """What the run is spread over.

    Attributes:
        kind: `auto`, `tpu`, `gpu` or `cpu`.
        logical_devices: Replicas on one CPU, to try distribution out.
    """

    kind: str = "auto"
    logical_devices: int = 1
